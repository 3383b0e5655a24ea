package dashboards

import (
	"context"
	"io"

	"dealtrail/ingest"
	"dealtrail/trail"
)

// ReviewTaken is what became of a workbook that came back.
type ReviewTaken struct {
	Week      string        `json:"week"`
	Changed   int           `json:"changed"`   // rows
	Unchanged int           `json:"unchanged"` // rows
	Faults    []ReviewFault `json:"faults"`    // rows that were not taken
	Visible   bool          `json:"visible"`
}

// TakeReview reads a workbook that comes back, of the review of a week (of any, when it
// is empty), and writes down what was changed in it. source and by say who told us. Faults
// are the rows that were not understood or not taken. A *trail.Problem says that it is
// no such workbook.
func (s *Site) TakeReview(ctx context.Context, week, source, by string, r io.Reader) (ReviewTaken, error) {
	content, err := io.ReadAll(io.LimitReader(r, MaxReviewFile+1))
	if err != nil {
		return ReviewTaken{}, err
	}
	back, err := ReadReview(content)
	if err != nil {
		return ReviewTaken{}, err
	}
	if week != "" && week != back.Week {
		return ReviewTaken{}, trail.Problemf(trail.Invalid, "The file is the review of %s, not of %s; bring it back there.", back.Week, week)
	}
	said := make([]ingest.Said, len(back.Changes))
	for i, c := range back.Changes {
		said[i] = c.Said
	}
	outcomes, visible, err := s.source.Decide(ctx, back.Week, source, by, said...)
	if err != nil {
		return ReviewTaken{}, err
	}
	taken := ReviewTaken{Week: back.Week, Unchanged: back.Rows - len(back.Changes), Faults: append([]ReviewFault{}, back.Faults...), Visible: visible}
	for i, o := range outcomes {
		switch text, shown := problemText(o.Refused); {
		case shown:
			taken.Faults = append(taken.Faults, ReviewFault{back.Changes[i].Sheet, back.Changes[i].Row, text})
		case o.Refused != nil:
			return taken, o.Refused
		case o.Changed:
			taken.Changed++
		default:
			taken.Unchanged++
		}
	}
	return taken, nil
}
