package ingest_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"dealtrail/ingest"
)

// spoolDirEnv makes a test of this program the writer that is killed.
const spoolDirEnv = "DEALTRAIL_TEST_SPOOL_DIR"

func TestAcceptedRecordsSurviveKillsOfTheWriter(t *testing.T) {
	if dir := os.Getenv(spoolDirEnv); dir != "" {
		writeUntilKilled(dir)
	}
	const seed = 5
	rng := rand.New(rand.NewPCG(seed, seed))
	dir := t.TempDir()
	for round := range 20 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestAcceptedRecordsSurviveKillsOfTheWriter$")
		cmd.Env = append(os.Environ(), spoolDirEnv+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var accepted [spoolWriters]int
		lines, killAt := bufio.NewScanner(out), 1+rng.IntN(1500)
		for n := 0; lines.Scan(); n++ {
			var w, i int
			if _, err := fmt.Sscan(lines.Text(), &w, &i); err != nil {
				break // the last line may be cut off
			}
			accepted[w] = i
			if n == killAt {
				_ = cmd.Process.Kill()
			}
		}
		_ = cmd.Wait()
		if cmd.ProcessState.ExitCode() >= 0 {
			t.Fatalf("the writer was not killed: %v", cmd.ProcessState)
		}
		s := openSpool(t, ingest.SpoolOptions{Dir: dir})
		records := readAll(t, s)
		var read [spoolWriters]int
		for _, r := range records {
			var w, i int
			if _, err := fmt.Sscan(string(r.Data), &w, &i); err != nil || i != read[w]+1 || !bytes.Equal(r.Data, killRecord(w, i)) {
				t.Fatalf("round %d: after %d of writer %d comes %.20q", round, read[w], w, r.Data)
			}
			read[w] = i
		}
		for w := range read {
			// One may be there whose Append had not returned, or whose line was not written.
			if read[w] < accepted[w] || read[w] > accepted[w]+1 {
				t.Errorf("round %d: of writer %d, %d were accepted and %d are read", round, w, accepted[w], read[w])
			}
		}
		if d := s.Damage(); d.Records != 0 {
			t.Errorf("round %d: damage %+v", round, d)
		}
		done(t, s, records[len(records)-1].Seq)
		closeSpool(t, s)
	}
}

const spoolWriters = 4

func killRecord(w, i int) []byte {
	return fmt.Appendf(nil, "%d %d %s", w, i, strings.Repeat("k", i*53%900))
}

// writeUntilKilled appends, and prints what was accepted.
func writeUntilKilled(dir string) {
	s, err := ingest.OpenSpool(ingest.SpoolOptions{Dir: dir, Segment: 20_000})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	var wg sync.WaitGroup
	for w := range spoolWriters {
		wg.Go(func() {
			for i := 1; ; i++ {
				if err := s.Append(context.Background(), killRecord(w, i)); err != nil {
					fmt.Println(err)
					os.Exit(1)
				}
				fmt.Println(w, i)
			}
		})
	}
	wg.Wait()
}
