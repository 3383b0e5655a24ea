package dashboards

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Grafana writes these before it asks.
var grafanaMacros = strings.NewReplacer(
	"$__timeFilter(at)", "at >= toDateTime('2026-01-01 00:00:00') AND at <= toDateTime('2027-01-01 00:00:00')",
	"$__timeFilter(received_at)", "received_at >= toDateTime('2026-01-01 00:00:00')",
	"$__timeFilter(closed_at)", "closed_at >= toDateTime('2026-01-01 00:00:00')",
	"$__timeFilter(closed)", "closed >= toDateTime('2026-01-01 00:00:00')",
	"${model}", "linear",
)

// Each panel has rows over the made-up company, except where nothing is wrong.
func TestEveryStatementOfGrafanaAnswers(t *testing.T) {
	t.Parallel()
	db := openCompany(t)
	if _, err := db.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("grafana/*.json")
	if err != nil || len(files) != 3 {
		t.Fatalf("dashboards are %q: %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var board struct {
			UID    string `json:"uid"`
			Panels []struct {
				Title       string `json:"title"`
				Description string `json:"description"`
				Datasource  struct {
					UID string `json:"uid"`
				} `json:"datasource"`
				Targets []struct {
					SQL string `json:"rawSql"`
				} `json:"targets"`
			} `json:"panels"`
		}
		if err := json.Unmarshal(text, &board); err != nil || board.UID == "" || len(board.Panels) == 0 {
			t.Fatalf("%s: %v, uid %q, %d panels", file, err, board.UID, len(board.Panels))
		}
		for _, p := range board.Panels {
			if p.Description == "" || p.Datasource.UID != "dealtrail" || len(p.Targets) != 1 {
				t.Errorf("%s, %s: no description, another source, or %d statements", file, p.Title, len(p.Targets))
				continue
			}
			sql := grafanaMacros.Replace(p.Targets[0].SQL)
			if strings.Contains(sql, "$") {
				t.Errorf("%s, %s: a macro is left in %s", file, p.Title, sql)
			}
			rows, err := db.Query(t.Context(), sql)
			if err != nil {
				t.Errorf("%s, %s: %v", file, p.Title, err)
				continue
			}
			n := 0
			for rows.Next() {
				n++
			}
			if err := rows.Err(); err != nil || n == 0 {
				t.Errorf("%s, %s: %d rows: %v", file, p.Title, n, err)
			}
			rows.Close()
		}
	}
}
