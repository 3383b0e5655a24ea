package dashboards

import (
	"context"
	"dealtrail/trail/synth"
	"fmt"
	"github.com/chromedp/chromedp"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

func TestShots(t *testing.T) {
	if os.Getenv("SHOTS") == "" {
		return
	}
	db := openCompany(t)
	_, e := newSite(t, db, func(s *Site) {
		if os.Getenv("DEMO") != "" {
			s.Demo = &Demo{Loved: synth.Popular, Send: func(ctx context.Context, a, b string) (string, error) {
				return "https://go.example.com/c/k7abcdefghijklmnopqrstuvwx2", nil
			}}
		}
	})
	srv := httptest.NewServer(e)
	defer srv.Close()
	alloc, cancel := chromedp.NewExecAllocator(t.Context(), append(browserFlags(), chromedp.UserDataDir(t.TempDir()))...)
	defer cancel()
	ctx, cancel2 := chromedp.NewContext(alloc)
	defer cancel2()
	for _, w := range []int64{1280, 390} {
		for _, u := range strings.Fields(os.Getenv("SHOTS")) {
			start := time.Now()
			if err := chromedp.Do(ctx, chromedp.EmulateViewport(w, 900, func() []chromedp.EmulateViewportOption {
				if w < 500 {
					return []chromedp.EmulateViewportOption{chromedp.EmulateMobile}
				}
				return nil
			}()...)); err != nil {
				t.Fatal(err)
			}
			if err := chromedp.Do(ctx, chromedp.Navigate(srv.URL+u)); err != nil {
				t.Fatal(err)
			}
			if os.Getenv("DARK") != "" {
				chromedp.Run(ctx, chromedp.Evaluate[any](`document.getElementById("theme").click()`))
			}
			b, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
			if err != nil {
				t.Fatal(err)
			}
			n := strings.NewReplacer("/", "_", "?", "_", "&", "_").Replace(u)
			os.WriteFile(fmt.Sprintf("/tmp/dash/shot%s-%d.png", n, w), b, 0o644)
			fmt.Println(u, w, time.Since(start))
		}
	}
}
