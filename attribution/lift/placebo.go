package lift

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Observational is the sentence that stands beside every lift.
const Observational = "Observational: compares similar deals at the same stage before the outcome; unmeasured deal quality can remain."

// Limits of the pooled placebo test: with very many contents a library would
// otherwise be flagged for a selection that is too weak to matter.
const (
	placeboSpread = 1.2 // standard deviation of z
	placeboMean   = 0.3 // mean of z, in size
	placeboSize   = 0.05
)

// Placebo is the result of the negative-control outcome (Lipsitch, Tchetgen
// Tchetgen and Cohen, Epidemiology 21, 2010, 383) over a library: a content that
// was first seen in one stage cannot have changed how fast the stage before was
// done. If it seems to have, the deals that see content differ in ways that the
// strata do not hold, and lifts of real outcomes carry the same mark.
type Placebo struct {
	Contents []PlaceboTest // those with enough data, by content
	Mean, SD float64       // of their z; SD is 0 for a single one
	Banner   bool          // selection is visible in this data
}

// PlaceboTest is the placebo of one content.
type PlaceboTest struct {
	Content string
	Test
}

// Pool tests each content against the outcome that it cannot have had and pools
// over the library. An entry of a table is here a stage entry of the second stage
// or later, open at the landmark, of a deal that had not seen the content before
// that entry; it is exposed if it saw it by the landmark, and "advanced" means that
// the stage before took at most four weeks. Strata are those of the lift, without
// any that measures elapsed time (prior engagement grows with it).
//
// Contents below the minimum of data are left out. The banner is up if either holds,
// each at half of 5 %, for the k contents that are left:
//
//	|mean z| > max(0.3, Φ⁻¹(1 - .05/4)/√k)
//	sd z     > max(1.2, √(χ²₍k₋₁₎⁻¹(1 - .05/2)/(k-1)))
//
// The plain rule of the research, a standard deviation above 1.2, would be up in one
// of five clean libraries of six contents; the bounds grow for small libraries.
// Counts that cannot be, or a content given twice, are an error.
func Pool(evidence []Evidence) (Placebo, error) {
	var p Placebo
	for _, e := range evidence {
		s, err := Stratify(e.Tables)
		if err != nil {
			return Placebo{}, fmt.Errorf("placebo of content %q: %w", e.Content, err)
		}
		if len(s.Short()) > 0 {
			continue
		}
		test, err := s.CMH()
		if errors.Is(err, ErrUndefined) { // in each stratum all or none of the stages before were fast
			continue
		}
		if err != nil {
			return Placebo{}, fmt.Errorf("placebo of content %q: %w", e.Content, err)
		}
		p.Contents = append(p.Contents, PlaceboTest{e.Content, test})
	}
	slices.SortFunc(p.Contents, func(a, b PlaceboTest) int { return cmp.Compare(a.Content, b.Content) })
	for i := range p.Contents {
		if i > 0 && p.Contents[i].Content == p.Contents[i-1].Content {
			return Placebo{}, fmt.Errorf("placebo: content %q is given twice", p.Contents[i].Content)
		}
	}
	p.judge()
	return p, nil
}

// judge sets what is pooled.
func (p *Placebo) judge() {
	k := float64(len(p.Contents))
	if k == 0 {
		return
	}
	for _, c := range p.Contents {
		p.Mean += c.Z / k
	}
	limit := math.Sqrt2 * math.Erfinv(1-placeboSize/2) / math.Sqrt(k)
	p.Banner = math.Abs(p.Mean) > max(placeboMean, limit)
	if k < 2 {
		return
	}
	var squares float64
	for _, c := range p.Contents {
		squares += (c.Z - p.Mean) * (c.Z - p.Mean)
	}
	p.SD = math.Sqrt(squares / (k - 1))
	limit = math.Sqrt(distuv.ChiSquared{K: k - 1}.Quantile(1-placeboSize/2) / (k - 1))
	p.Banner = p.Banner || p.SD > max(placeboSpread, limit)
}
