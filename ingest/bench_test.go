package ingest_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"dealtrail/ingest"
)

// BenchmarkAppend says how long one event takes until it is on disk.
func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 50} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			buffer := ingest.NewBuffer(connect(b, startRedis(b, b.TempDir())), quiet())
			events := clicks(0, b.N)
			took := make([]time.Duration, b.N)
			var wg sync.WaitGroup
			b.ResetTimer()
			for w := range writers {
				wg.Go(func() {
					for i := w; i < b.N; i += writers {
						began := time.Now()
						if err := buffer.Append(context.Background(), events[i]); err != nil {
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

// BenchmarkLoad says how fast a backlog becomes visible.
func BenchmarkLoad(b *testing.B) {
	const n = 100_000
	p := newPipe(b)
	from := 0
	for b.Loop() {
		b.StopTimer()
		p.append(b, clicks(from, n)...)
		from += n
		b.StartTimer()
		_, stop := p.load(b)
		p.settle(b)
		b.StopTimer()
		stop()
		b.StartTimer()
	}
	b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkPipe says how fast events travel from Append until they are visible.
func BenchmarkPipe(b *testing.B) {
	const n = 100_000
	p := newPipe(b)
	p.load(b)
	from := 0
	for b.Loop() {
		b.StopTimer()
		events := clicks(from, n)
		from += n
		b.StartTimer()
		p.append(b, events...)
		p.settle(b)
	}
	b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkVisible says how long a person waits to read what they wrote, one
// after the other on an idle machine.
func BenchmarkVisible(b *testing.B) {
	p := newPipe(b)
	p.load(b)
	n := 0
	for b.Loop() {
		p.append(b, clicks(n, 1)...)
		p.settle(b)
		n++
	}
}
