// Charts, small comforts, and nothing that a page needs: without this file
// every page works. Styles are set through the DOM only, as the policy wants.
"use strict";
(() => {
  const root = document.documentElement;

  // Light and dark: the choice is a cookie, so the server renders it and nothing flashes.
  document.getElementById("theme")?.addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    document.cookie = "theme=" + root.dataset.theme + "; path=/; max-age=31536000; samesite=lax";
    drawAll();
  });

  // A changed select shows its result at once; dates wait for the button.
  document.querySelectorAll("form.lens select").forEach(s => s.addEventListener("change", () => s.form.requestSubmit()));

  // say tells eyes and screen readers what was done: a line, and what else there is to know.
  function say(line, more = [], bad = false) {
    const said = document.getElementById("said");
    said.className = "notice " + (bad ? "bad" : more.length ? "" : "good");
    const lines = document.createElement("div");
    for (const text of [line, ...more]) lines.appendChild(document.createElement("p")).append(text);
    said.replaceChildren(lines);
  }

  // copy puts a link on the clipboard as HTML, which pastes into a mail as the link, and as plain text. The link may be a promise: browsers
  // want to be asked while the key is down, not once the link is made. Without the clipboard's newer half, which plain HTTP has not, it is
  // copied from a field; the reader has to press the keys where that is refused too.
  async function copy(link) {
    const part = (type, of) => Promise.resolve(link).then(l => new Blob([of(l)], { type }));
    try {
      await navigator.clipboard.write([new ClipboardItem({ "text/html": part("text/html", l => l.html), "text/plain": part("text/plain", l => l.url) })]);
      return "Copied";
    } catch {
      const l = await link;
      const field = Object.assign(document.createElement("input"), { readOnly: true, value: l.url, ariaLabel: "Link" });
      document.getElementById("said").after(field);
      field.select();
      const both = e => { e.clipboardData.setData("text/html", l.html); e.clipboardData.setData("text/plain", l.url); e.preventDefault(); };
      document.addEventListener("copy", both);
      const done = document.execCommand("copy");
      document.removeEventListener("copy", both);
      if (done) field.remove();
      return done ? "Copied" : "Press Ctrl-C to copy the link";
    }
  }

  // Fields to copy from: selected when they get the focus, copied by their button.
  document.querySelectorAll("input[readonly], textarea[readonly]").forEach(field => {
    field.addEventListener("focus", () => field.select());
    if (field.autofocus) requestAnimationFrame(() => field.select()); // the browser focuses it before its first frame
  });
  document.querySelectorAll("[data-copy]").forEach(b => b.addEventListener("click", async () => {
    const from = document.getElementById(b.dataset.copy);
    from.select();
    if (b.dataset.plain) return say(await copy({ html: from.value, url: document.getElementById(b.dataset.plain).value }));
    try { await navigator.clipboard.writeText(from.value); } catch { document.execCommand("copy"); }
    say("Copied");
  }));

  // The finder's buttons copy at once. So does Enter in its search box while the results are those of the words in it.
  const finder = document.getElementById("finder");
  finder?.addEventListener("submit", async e => {
    const box = finder.elements.q, words = box.value.trim();
    const again = document.activeElement === box && words && words === box.defaultValue.trim();
    const button = e.submitter?.name === "content" ? e.submitter : again && document.querySelector("button[form=finder]");
    if (!button) return;
    e.preventDefault();
    if (finder.ariaBusy) return;
    finder.ariaBusy = "true";
    const fields = new URLSearchParams(new FormData(finder));
    fields.set("content", button.value);
    const link = fetch("/share", { method: "POST", headers: { Accept: "application/json" }, body: fields }).then(async r => {
      const answer = await r.json().catch(() => ({}));
      if (!r.ok) throw new Error(answer.detail || "The link could not be made. Reload the page and try again.");
      return answer;
    });
    try {
      const done = await copy(link), { text, warnings } = await link;
      say(done + ": " + text, warnings);
    } catch (problem) {
      say(problem.message, [], true);
    }
    finder.ariaBusy = null;
  });

  // color returns what a token is in the current theme, as the browser computes it.
  function color(token) {
    const probe = document.createElement("span");
    probe.style.color = "var(--" + token + ")";
    root.append(probe);
    const value = getComputedStyle(probe).color;
    probe.remove();
    return value;
  }

  function short(n, unit) {
    for (const [size, letter] of [[1e9, "bn"], [1e6, "M"], [1e3, "k"]])
      if (n >= size) return unit + +(n / size).toFixed(1) + letter;
    return unit + n;
  }

  // fit cuts a name to the room for it; the tooltip and the table have all of it.
  const fit = (name, chars) => name.length > chars ? name.slice(0, chars - 1).trimEnd() + "…" : name;

  // Credit by content: a dot for each piece on the line of its interval.
  function credit(plot, data) {
    const narrow = plot.clientWidth < 560;
    const text = color("text"), muted = color("muted"), line = color("line"), accent = color("accent");
    const font = getComputedStyle(plot).fontFamily;
    return {
      animation: false,
      textStyle: { fontFamily: font },
      grid: { left: narrow ? 4 : 336, right: narrow ? 56 : 76, top: 4, bottom: 24 },
      tooltip: {
        trigger: "axis", axisPointer: { type: "none" }, renderMode: "richText", confine: true,
        backgroundColor: color("surface"), borderColor: line, textStyle: { color: text, fontSize: 13, fontFamily: font },
        formatter: items => { const r = data.rows[items[0].dataIndex]; return r.name + "\n" + r.text + ", " + r.deals + " deals" + (r.ends && "\n95 %: " + r.ends); },
      },
      xAxis: {
        type: "value", min: 0, splitNumber: narrow ? 2 : 5,
        axisLabel: { color: muted, formatter: n => short(n, data.unit.length === 1 ? data.unit : "") },
        splitLine: { lineStyle: { color: line } },
      },
      yAxis: {
        type: "category", inverse: true, data: data.rows.map(r => r.name), axisTick: { show: false }, axisLine: { lineStyle: { color: line } },
        axisLabel: narrow
          ? { inside: true, align: "left", verticalAlign: "bottom", padding: [0, 0, 9, 0], color: text, fontSize: 12, formatter: n => fit(n, 44) }
          : { color: text, fontSize: 13, formatter: n => fit(n, 48), margin: 12 },
        z: 10,
      },
      series: [
        { type: "bar", stack: "interval", barWidth: 2, silent: true, itemStyle: { opacity: 0 }, data: data.rows.map(r => r.low) },
        { type: "bar", stack: "interval", barWidth: 2, silent: true, itemStyle: { color: accent, opacity: .45 }, data: data.rows.map(r => Math.max(0, r.high - r.low)),
          label: { show: true, position: "right", distance: 8, color: muted, opacity: 1, fontSize: 12, formatter: p => short(Math.round(data.rows[p.dataIndex].value), data.unit.length === 1 ? data.unit : "") } },
        { type: "scatter", symbolSize: 10, z: 5, itemStyle: { color: accent }, cursor: "pointer", data: data.rows.map(r => r.value) },
      ],
    };
  }

  const kinds = { credit };
  const drawn = new Map();

  function draw(plot) {
    const data = JSON.parse(document.getElementById(plot.dataset.source).textContent);
    drawn.get(plot)?.dispose();
    const chart = echarts.init(plot, null, { renderer: "svg" });
    drawn.set(plot, chart);
    chart.setOption(kinds[plot.dataset.chart](plot, data));
    chart.on("click", p => { location.href = data.rows[p.dataIndex].href; });
  }

  function drawAll() {
    const plots = document.querySelectorAll("[data-chart]");
    if (typeof echarts === "undefined") {
      plots.forEach(p => { p.closest("figure").hidden = true; });
      return;
    }
    plots.forEach(draw);
  }

  let width = innerWidth, wait;
  addEventListener("resize", () => {
    if (innerWidth === width) return; // a phone's address bar changes only the height
    width = innerWidth;
    clearTimeout(wait);
    wait = setTimeout(drawAll, 150);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  drawAll();
})();
