package chdb

import (
	"strings"
	"testing"
)

func TestShapeOf(t *testing.T) {
	f := func(sql string, want shape) {
		t.Helper()
		got := shapeOf(sql)
		if want.infileAt == 0 {
			want.infileAt = got.infileAt
		}
		if got != want {
			t.Errorf("%s: got %+v, want %+v", sql, got, want)
		}
	}
	f("", shape{})
	f(" -- nothing\n/* ; */ ;", shape{verb: ";"})
	f("select 1", shape{verb: "SELECT"})
	f("(SELECT 1) UNION ALL (SELECT 2);", shape{verb: "("})
	f("SELECT ';', \"a;b\", `c;d`, 'it''s;', 'it\\';', $x$;$x$ -- ;\n", shape{verb: "SELECT"})
	f("SELECT 1; -- done\n", shape{verb: "SELECT"})
	f("SELECT 1; SELECT 2", shape{verb: "SELECT", several: true})
	f("SELECT 'a', format('{}', x) FROM t FORMAT JSON", shape{verb: "SELECT", format: "JSON"})
	f("SELECT {a:String}, [1, 2] FROM t FORMAT Native SETTINGS a = 1", shape{verb: "SELECT", format: "Native"})
	f("INSERT INTO t VALUES (1, 'x;'); DROP TABLE t", shape{verb: "INSERT", rows: "VALUES"})
	f("INSERT INTO t SELECT 1", shape{verb: "INSERT", rows: "SELECT"})
	f("INSERT INTO t (a, `values`) FORMAT Native\n\x00;'", shape{verb: "INSERT", rows: "FORMAT", format: "Native", infileAt: 28, dataAt: 41})
	f("INSERT INTO t SETTINGS a = 'FORMAT X' FORMAT Native", shape{verb: "INSERT", rows: "FORMAT", format: "Native", infileAt: 14, dataAt: 51})
	f("INSERT INTO format FORMAT Native", shape{verb: "INSERT", rows: "FORMAT", format: "Native", infileAt: 19, dataAt: 32})
	f("INSERT INTO TABLE x.format FORMAT Native", shape{verb: "INSERT", rows: "FORMAT", format: "Native", infileAt: 27, dataAt: 40})
	f("INSERT INTO FUNCTION null('a Int8') FORMAT Native", shape{verb: "INSERT", rows: "FORMAT", format: "Native", infileAt: 36, dataAt: 49})
	f("INSERT INTO t", shape{verb: "INSERT", infileAt: -1})
	f("INSERT INTO settings (format) VALUES (1)", shape{verb: "INSERT", rows: "VALUES"})
}

func FuzzShapeOf(f *testing.F) {
	for _, sql := range []string{"SELECT 'a' FORMAT JSON;", "INSERT INTO t (a) SETTINGS x = 1 FORMAT Native 'x", "$a$;$a$ /* -- */ `x\\`", "((("} {
		f.Add(sql)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		s := shapeOf(sql)
		if s.infileAt > len(sql) || s.dataAt > len(sql) || s.rows == "FORMAT" && (s.infileAt < 0 || s.format != "" && s.dataAt < s.infileAt) {
			t.Errorf("%+v", s)
		}
		// Whatever stands in quotes changes nothing.
		quoted := shapeOf("SELECT " + quoteText(sql) + ", " + quoteName(sql))
		if quoted != (shape{verb: "SELECT", infileAt: -1}) {
			t.Errorf("in quotes: %+v", quoted)
		}
		if strings.Contains(sql, "*/") {
			return
		}
		if commented := shapeOf("/*" + sql + "*/ SELECT 1"); commented != (shape{verb: "SELECT", infileAt: -1}) {
			t.Errorf("in a comment: %+v", commented)
		}
	})
}
