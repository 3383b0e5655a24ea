package track

import (
	"embed"
	"encoding/json"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"sync"
)

//go:embed all:lists
var files embed.FS

// ourUnfurlers make previews of pasted links. In lower case, as [patterns].
var ourUnfurlers = []string{
	"slackbot", "slack-imgproxy", "skypeuripreview", "skype-url-preview", "microsoftpreview/", "^whatsapp/", "linkedinbot", "facebookexternalhit", "facebot",
	"twitterbot", "discordbot", "telegrambot", "iframely", "^notion/", "notionbot", "redditbot", "pinterestbot", "vkshare", "embedly", "mattermost-bot", "zoombot",
	"google-pagerenderer", "snap url preview", "viberbot", "quora link preview", "yahoo link preview", "kakaotalk-scrap", "^line/", "webexteams", "basecampbot",
}

// ourBots name themselves as machines. In lower case, as [patterns].
var ourBots = []string{
	"(^|^u|[^u]|[^c]u)bot", // not Cubot, a maker of phones
	"crawl", "spider", "scrap(er|y)", "slurp", "archiver", "fetcher", "scanner", "lighthouse", "validator", "link.?check", "urlscan", "headlesshttp",
	"^curl/", "wget", "^python", "python-requests", "python-urllib", "aiohttp", "^httpx?/", "python-httpx", "go-http-client", "^java/", "apache-httpclient", "^axios",
	"node-fetch", "libwww", "^lwp", "guzzle", "postmanruntime", "^ruby", "^php/", "^perl", "^dart/", "winhttp", "powershell", "httrack", "phantomjs",
	"bingpreview", "googleother", "google-safety", "google-read-aloud", "apis-google", "mediapartners", "googleimageproxy", "yahoomailproxy", "yandex\\.com/bots",
	"microsoft office protocol discovery", "microsoft office existence discovery", "microsoft-webdav",
	"barracuda", "proofpoint", "mimecast", "ciscosecureemail", "ironport", "safelinks", "symantec", "messagelabs", "trendmicro", "trend micro", "forcepoint",
	"sophos", "fireeye", "trellix", "virustotal", "checkpoint", "fortiguard", "zgrab", "nmap", "pingdom", "statuscake", "site24x7", "uptime",
}

// known are the machines that a user agent can name.
type known struct {
	unfurlers, bots patterns // for user agents in lower case
	crawlers        patterns // the npm list, for user agents as they are
}

// lists compiles the lists on first use; they never change after that.
var lists = sync.OnceValue(func() known {
	var entries []struct{ Pattern string }
	var more []string
	// Without the file, or with one that cannot be read, our own list stands alone.
	if b, err := files.ReadFile("lists/crawler-user-agents.json"); err == nil && json.Unmarshal(b, &entries) == nil {
		for _, e := range entries {
			more = append(more, e.Pattern)
		}
	}
	return known{newPatterns(ourUnfurlers), newPatterns(ourBots), newPatterns(withoutPeople(more))}
})

// withoutPeople leaves out the patterns that match somebody in people, and those
// that Go cannot compile or that match everything.
func withoutPeople(list []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(p string) bool {
		re, err := regexp.Compile(p)
		return err != nil || re.MatchString("") || slices.ContainsFunc(people, re.MatchString)
	})
}

// patterns matches a text against some 1,500 regular expressions in a few
// microseconds: an expression is tried only where the text has four bytes that
// the expression cannot do without, and that no person's user agent has.
type patterns struct {
	grams map[[4]byte][]pattern
	rest  []pattern // whose required text is shorter
}

type pattern struct {
	literal string         // every match contains it
	re      *regexp.Regexp // nil when the literal is the whole expression
}

func newPatterns(expressions []string) patterns {
	p := patterns{grams: map[[4]byte][]pattern{}}
	common := map[[4]byte]bool{}
	for _, ua := range people {
		for i := 0; i+4 <= len(ua); i++ {
			common[[4]byte([]byte(ua[i:i+4]))] = true
			common[[4]byte([]byte(strings.ToLower(ua[i:i+4])))] = true
		}
	}
	for _, e := range expressions {
		tree, err := syntax.Parse(e, syntax.Perl)
		if err != nil {
			continue
		}
		one := pattern{literal: required(tree)}
		if tree.Op != syntax.OpLiteral || one.literal == "" {
			one.re = regexp.MustCompile(e)
		}
		if len(one.literal) < 4 {
			p.rest = append(p.rest, one)
			continue
		}
		best := [4]byte([]byte(one.literal[:4]))
		for i := 0; i+4 <= len(one.literal); i++ {
			if g := [4]byte([]byte(one.literal[i : i+4])); !common[g] {
				best = g
				break
			}
		}
		p.grams[best] = append(p.grams[best], one)
	}
	return p
}

// required returns the longest text that every match of an expression contains.
func required(re *syntax.Regexp) (longest string) {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase == 0 {
			longest = string(re.Rune)
		}
	case syntax.OpCapture, syntax.OpPlus:
		longest = required(re.Sub[0])
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			if s := required(sub); len(s) > len(longest) {
				longest = s
			}
		}
	}
	return longest
}

// in reports whether any of the expressions matches.
func (p patterns) in(ua string) bool {
	for i := 0; i+4 <= len(ua); i++ {
		for _, one := range p.grams[[4]byte([]byte(ua[i:i+4]))] {
			if one.matches(ua) {
				return true
			}
		}
	}
	for _, one := range p.rest {
		if one.matches(ua) {
			return true
		}
	}
	return false
}

func (p pattern) matches(ua string) bool {
	return strings.Contains(ua, p.literal) && (p.re == nil || p.re.MatchString(ua))
}

// The kinds of programs on the lists.
const (
	aPerson = iota // or not known
	aPreview
	aMachine
)

// onLists says what a program is by its name.
func onLists(ua string) int {
	l, lower := lists(), strings.ToLower(ua)
	switch {
	case l.unfurlers.in(lower):
		return aPreview
	case l.bots.in(lower) || l.crawlers.in(ua):
		return aMachine
	}
	return aPerson
}
