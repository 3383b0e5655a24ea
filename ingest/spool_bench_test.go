package ingest_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"dealtrail/ingest"
)

// BenchmarkSpoolAppend says how long one event takes until it is on disk.
func BenchmarkSpoolAppend(b *testing.B) {
	record := []byte(strings.Repeat("x", 300))
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s := openSpool(b, ingest.SpoolOptions{Dir: b.TempDir()})
			took := make([]time.Duration, b.N)
			var wg sync.WaitGroup
			b.ReportAllocs()
			b.ResetTimer()
			for w := range writers {
				wg.Go(func() {
					for i := w; i < b.N; i += writers {
						began := time.Now()
						if err := s.Append(context.Background(), record); err != nil {
							b.Error(err)
						}
						took[i] = time.Since(began)
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkSpoolRead says how fast a backlog is read and done with.
func BenchmarkSpoolRead(b *testing.B) {
	const n = 100_000
	records := make([][]byte, n)
	for i := range records {
		records[i] = []byte(strings.Repeat("x", 300))
	}
	s := openSpool(b, ingest.SpoolOptions{Dir: b.TempDir()})
	for b.Loop() {
		b.StopTimer()
		for chunk := range slices.Chunk(records, 10_000) {
			spoolAppend(b, s, chunk...)
		}
		b.StartTimer()
		for left := n; left > 0; {
			got, err := s.Next(b.Context(), 1000)
			if err != nil || len(got) == 0 {
				b.Fatal(len(got), err)
			}
			done(b, s, got[len(got)-1].Seq)
			left -= len(got)
		}
	}
	b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
