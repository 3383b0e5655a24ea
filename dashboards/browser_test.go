package dashboards

import (
	"github.com/chromedp/chromedp"
)

// browserFlags start a Chromium that talks to nobody but the test.
func browserFlags() []chromedp.ExecAllocatorOption {
	flags := []chromedp.ExecAllocatorOption{chromedp.ExecPath("/usr/bin/chromium"), chromedp.Flag("headless", "new"), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun}
	for _, f := range []string{"disable-background-networking", "disable-component-update", "disable-sync", "disable-quic"} {
		flags = append(flags, chromedp.Flag(f, true))
	}
	return flags
}
