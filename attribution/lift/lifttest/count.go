package lifttest

import (
	"math/bits"
	"strconv"
	"strings"

	"dealtrail/attribution/lift"
)

// Counted says whether an entry is in the landmark tables: open at the landmark, and
// old enough for the horizon.
func (e Entry) Counted() bool {
	return e.Left > e.At+Landmark && e.At+Landmark+Horizon <= Weeks
}

// Strata are stage, segment, age of the deal at the entry in classes of two weeks,
// and how many other contents it had seen by the landmark: 0, 1, 2-3, 4-7, 8-15, more.
// Old deals have seen more of everything and are the slow ones, so without both each
// content carries a part of the effects of others: with stage and segment alone
// true_up comes out at +.090 instead of +.099, and of a library of 300 contents more
// than two in ten findings were false at q .10.
const (
	ages        = 16
	engagements = 6
	Strata      = Stages * Segments * ages * engagements
)

// Stratum numbers what entries in one table have in common.
func Stratum(e Entry, others int) int {
	age, engaged := min(e.At/2, ages-1), min(bits.Len(uint(others)), engagements-1)
	return ((e.Stage*Segments+e.Deal.Segment)*ages+age)*engagements + engaged
}

// named is a stratum as the database names it.
func named(stratum int) string {
	group := stratum / engagements / ages
	return strings.Join([]string{StageNames[group/Segments], SegmentNames[group%Segments], strconv.Itoa(stratum / engagements % ages), strconv.Itoa(stratum % engagements)}, "\x00")
}

// Saw returns how many contents the deal had seen by the landmark.
func (e Entry) Saw() int {
	n := 0
	for _, seen := range e.Deal.Seen {
		if int(seen) < e.At+Landmark {
			n++
		}
	}
	return n
}

// side says where an entry is counted for a content.
type side struct {
	in, exposed, hit bool
	stratum          int
}

// evidence counts tables from where count puts each entry for a content first seen in
// a week, if the deal saw so many by the landmark.
func (w World) evidence(deals []Deal, name func(stratum int) string, count func(e Entry, seen, saw int) side) []lift.Evidence {
	tables := make([][Strata]lift.Table, len(w.Contents))
	Entries(deals, func(e Entry) {
		if !e.Counted() {
			return
		}
		saw := e.Saw()
		for k, seen := range e.Deal.Seen {
			at := count(e, int(seen), saw)
			if !at.in {
				continue
			}
			hit := int64(0)
			if at.hit {
				hit = 1
			}
			t := &tables[k][at.stratum]
			if at.exposed {
				t.Exposed++
				t.ExposedAdvanced += hit
			} else {
				t.Control++
				t.ControlAdvanced += hit
			}
		}
	})
	all := make([]lift.Evidence, len(w.Contents))
	for k, c := range w.Contents {
		all[k].Content = c.ID
		for at, t := range tables[k] {
			if t.Exposed+t.Control > 0 {
				t.Stratum = name(at)
				all[k].Tables = append(all[k].Tables, t)
			}
		}
	}
	return all
}

// Lifts are the landmark tables.
func (w World) Lifts(deals []Deal) []lift.Evidence {
	return w.evidence(deals, named, func(e Entry, seen, saw int) side {
		exposed := seen < e.At+Landmark
		if exposed {
			saw--
		}
		return side{true, exposed, e.Advanced && e.Left <= e.At+Landmark+Horizon, Stratum(e, saw)}
	})
}

// Placebos are the tables of the negative-control outcome: whether the stage before
// took at most four weeks, of deals that had not seen the content by its end. Their
// strata are stage and segment only, because age and engagement grow with it.
func (w World) Placebos(deals []Deal) []lift.Evidence {
	name := func(at int) string { return StageNames[at/Segments] + "\x00" + SegmentNames[at%Segments] }
	return w.evidence(deals, name, func(e Entry, seen, _ int) side {
		if e.Stage == 0 || seen < e.At {
			return side{}
		}
		return side{true, seen < e.At+Landmark, e.At-e.Deal.Enter[e.Stage-1] <= 4, e.Stage*Segments + e.Deal.Segment}
	})
}
