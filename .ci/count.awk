# Reads `go test -v` and shows what a person needs: packages, failures and a closing count. A skipped
# test or a run without tests fails, because a hole must not look like a pass. Tests run side by side, so
# that each one's lines are kept until it is known how it ended.
/^=== (RUN|CONT|NAME) / { test = $3; next }
/^=== PAUSE / { next }
/^ *--- PASS/ { if ($0 ~ /^---/) passed++; delete held[$3]; next }
/^ *--- FAIL/ { if ($0 ~ /^---/) failed++; printf "%s", held[$3]; delete held[$3]; print; next }
/^ *--- SKIP/ { skipped++; delete held[$3]; print; next }
/^(ok|FAIL|panic:)/ {
	if ($1 != "ok") { broken++; for (t in held) printf "%s", held[t] }
	split("", held); test = ""; print; fflush(); next
}
/^\?.*no test files/ { next }
{ held[test] = held[test] $0 "\n"; if (length(held[test]) > 200000) held[test] = substr(held[test], 100000) }
END {
	if (failed || broken) for (t in held) printf "%s", held[t]
	printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
	exit (failed || broken || skipped || !passed) ? 1 : 0
}
