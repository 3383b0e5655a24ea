package trail

import (
	"fmt"
	"reflect"
	"testing"
)

func TestOthersAreSeenOnlyInTeamsOfFiveOrMore(t *testing.T) {
	t.Parallel()
	team := map[string]string{"x1": "Small", "x2": "Small"}
	reps := []string{"x1", "x2", "y1"}
	var rows []RepRow
	for i := range 5 {
		rep := fmt.Sprintf("n%d", i)
		team[rep] = "North"
		reps = append(reps, rep)
		rows = append(rows, RepRow{Rep: rep, Sent: uint64(i + 1), Content: 2, Won: 1})
	}
	rows = append(rows, RepRow{Rep: "x1", Sent: 100}, RepRow{Rep: "x2", Sent: 200}, RepRow{Rep: "y1", Sent: 400})

	// Small has two and one rep has no team: three in all are too few, and whoever subtracts North from the whole would know them.
	teams := NewTeams(reps, team)
	north, all := RepRow{Team: "North", Reps: 5, Sent: 15, Content: 2, Won: 5}, RepRow{Team: OtherTeams, Reps: 8, Sent: 715, Content: 2, Won: 5}
	if shown, left := teams.Rows(Viewer{}, rows); !reflect.DeepEqual(shown, []RepRow{all}) || left != 0 {
		t.Errorf("%+v, %d left", shown, left)
	}
	if shown, left := teams.Rows(Viewer{Rep: "x1"}, rows); !reflect.DeepEqual(shown, []RepRow{{Rep: "x1", Sent: 100}, all}) || left != 0 {
		t.Errorf("a rep sees their own: %+v, %d left", shown, left)
	}
	if shown, left := NewTeams(reps[:3], team).Rows(Viewer{}, rows[5:]); shown != nil || left != 3 {
		t.Errorf("three alone are shown to nobody: %+v, %d left", shown, left)
	}
	if shown, left := teams.Rows(Viewer{Names: true}, rows); !reflect.DeepEqual(shown, rows) || left != 0 {
		t.Errorf("by name: %+v, %d left", shown, left)
	}
	// With two more without a team the small ones can be shown together, and last, once all five did something.
	teams = NewTeams(append(reps, "z1", "z2"), team)
	if shown, left := teams.Rows(Viewer{}, rows); !reflect.DeepEqual(shown, []RepRow{north}) || left != 3 {
		t.Errorf("%+v, %d left", shown, left)
	}
	rows = append(rows, RepRow{Rep: "z1", Sent: 1}, RepRow{Rep: "z2"})
	if shown, left := teams.Rows(Viewer{}, rows); !reflect.DeepEqual(shown, []RepRow{north, {Team: OtherTeams, Reps: 5, Sent: 701}}) || left != 0 {
		t.Errorf("%+v, %d left", shown, left)
	}
	if name, byName := teams.Of(Viewer{}, "x2"); name != OtherTeams || byName {
		t.Errorf("x2 is seen as %q, %v", name, byName)
	}
}
