package store_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"dealtrail/store/storetest"
)

func BenchmarkScratch(b *testing.B) {
	db := storetest.Open(b)
	n, rounds := 50, 10
	fmt.Sscan(os.Getenv("N"), &n)
	if n > 10000 {
		rounds = 3
	}
	synthetic(b, db, n)
	divided(b, db)
	text, _ := os.ReadFile(os.Getenv("SQL"))
	for _, q := range strings.Split(string(text), ";;") {
		q = strings.TrimSpace(q)
		if q == "" {
			continue
		}
		best := time.Hour
		cpu0 := cpu(b)
		var rowsN int
		out := ""
		for range rounds {
			s := time.Now()
			rows, err := db.Query(b.Context(), q)
			if err != nil {
				fmt.Println("ERR", err, q)
				break
			}
			rowsN = 0
			out = ""
			for rows.Next() {
				rowsN++
				if strings.HasPrefix(q, "EXPLAIN") {
					var l string
					rows.Scan(&l)
					out += l + "\n"
				}
			}
			if rows.Err() != nil {
				fmt.Println("ERR", rows.Err(), q)
			}
			rows.Close()
			best = min(best, time.Since(s))
		}
		fmt.Printf("cpu %7.1f ", float64((cpu(b)-cpu0).Milliseconds())/float64(rounds))
		fmt.Printf("%8.1f ms %6d rows  %s\n%s", float64(best.Microseconds())/1000, rowsN, strings.ReplaceAll(q[:min(len(q), 160)], "\n", " "), out)
	}
}
