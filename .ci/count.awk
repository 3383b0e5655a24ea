# Reads `go test -v` and shows what a person needs: packages, failures and a closing count. A skipped
# test or a run without tests fails, because a hole must not look like a pass.
/^=== (RUN|PAUSE|CONT|NAME)/ { next }
/^ *--- PASS/ { if ($0 ~ /^---/) passed++; held = ""; next }
/^ *--- FAIL/ { if ($0 ~ /^---/) failed++; printf "%s", held; held = ""; print; next }
/^ *--- SKIP/ { skipped++; print; next }
/^(ok|FAIL|panic:)/ { if ($1 != "ok") broken++; printf "%s", ($1 == "ok" ? "" : held); held = ""; print; fflush(); next }
/^\?.*no test files/ { next }
{ held = held $0 "\n"; if (length(held) > 200000) held = substr(held, 100000) }
END {
	printf "%s", (failed || broken ? held : "")
	printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
	exit (failed || broken || skipped || !passed) ? 1 : 0
}
