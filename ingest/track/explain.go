package track

// explanations say in a marketer's words why an event counts or does not.
var explanations = map[string]string{
	"said":                    "one of you said so",
	"self_view":               "one of your own reps looked at it",
	"method":                  "a program only checked that the address exists",
	"prefetch_header":         "a browser fetched it ahead, without a click",
	"mail_proxy":              "the mail provider fetched it for a person who opened the mail",
	"too_early":               "it came within seconds of sending, faster than anybody reads",
	"proxy_provider_mismatch": "a mail provider that no recipient uses fetched it, probably for the sender's own copy",
	"gmail_prefetch":          "Gmail fetched it in advance; nobody need have opened the mail",
	"apple_mpp":               "Apple's privacy protection fetched it; that happens whether the mail is opened or not",
	"ua_generic":              "the program hides what it is, as scanners do",
	"ua_missing":              "the program did not say what it is",
	"unfurler":                "a chat made a preview, because somebody passed the link on",
	"ua_bot":                  "the program says that it is a robot",
	"headless":                "a browser without a screen, running in a data centre",
	"honeypot":                "it followed a link that no person can see, or its network did",
	"click_burst":             "three or more links of one mail were followed within seconds",
	"recipient_burst":         "one network asked for the mails of several people within seconds",
	"sender_ip":               "it came from an address that the sender has used",
	"duplicate":               "the same program asked again within seconds",
	"office_probe":            "Microsoft Office checked the link, perhaps before a person saw the page",
	"pre_send":                "it came before the mail was sent",
	"mail_client":             "a mail program showed it to a person",
	"inapp_browser":           "a person opened it inside an app",
	"score":                   "the details of the request were weighed",

	"vendor_address":        "it came from the network of a security company",
	"cloud_address":         "it came from a data centre",
	"google_address":        "it came from Google's network",
	"home_address":          "it came from a home or mobile connection",
	"machine_within_minute": "a data centre asked within a minute of sending",
	"within_2s":             "it came within 2 seconds of sending",
	"within_10s":            "it came within 10 seconds of sending",
	"within_30s":            "it came within 30 seconds of sending",
	"all_links":             "every link of the mail was followed within two minutes",
	"took_its_time":         "it came more than five minutes after sending",
	"language":              "it names a language, as people's browsers do",
	"no_language":           "it names no language, which people's browsers do",
	"navigated":             "a browser says that it went to the page",
	"not_navigated":         "it claims to be a modern browser but does not behave like one",
	"as_image":              "a browser says that it showed the image in a page",
	"old_browser":           "it claims to be a browser that is years old",
	"accepts_pages":         "it asks for a web page, as people's browsers do",
	"accepts_images":        "it asks for an image, as mail programs do",
	"accepts_no_pages":      "it claims to be a browser but does not ask for a web page",
}

// Explain returns what a rule means, as the end of a sentence about the event
// ("a chat made a preview, ..."), or the rule itself if it is not known.
func Explain(rule string) string {
	if text, ok := explanations[rule]; ok {
		return text
	}
	return rule
}
