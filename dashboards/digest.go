package dashboards

import (
	"context"
	"html/template"
	"net/http"

	"github.com/labstack/echo/v4"

	"dealtrail/ingest"
	"dealtrail/trail"
)

// Digest is the page on which a rep ends the daily mail, or has it again. The mail
// leads there, so whoever has the link may do that and nothing else.
type Digest struct {
	Sealer *ingest.Sealer
	Wanted func(ctx context.Context, rep string) (bool, error)
	Want   func(ctx context.Context, rep string, wanted bool) error
}

const digestPurpose = "digest"

// Path is the page of one rep.
func (d *Digest) Path(rep string) string {
	return "/digest/" + d.Sealer.Seal(trail.NormalAddress(rep), digestPurpose)
}

type digestPage struct {
	frame
	Rep  string
	On   bool
	Self template.URL
	Said string // what was just done
}

// digestRoutes mounts the page. Nobody has to be signed in: mail programs end a mail
// for their user by one POST, without cookies (RFC 8058), and scanners that follow the
// link change nothing by a GET.
func (s *Site) digestRoutes(g *echo.Group) {
	open := g.Group("/digest", s.limited)
	open.GET("/:rep", s.digestPage)
	open.POST("/:rep", s.changeDigest)
}

func (s *Site) digestRep(c echo.Context) (string, error) {
	if s.Digest != nil {
		if rep, ok := s.Digest.Sealer.Open(param(c, "rep"), digestPurpose); ok {
			return rep, nil
		}
	}
	return "", trail.Problemf(trail.NotFound, "This link is incomplete. Open it from the mail again.")
}

func (s *Site) digestPage(c echo.Context) error {
	rep, err := s.digestRep(c)
	if err != nil {
		return err
	}
	p := digestPage{Rep: rep}
	if c.QueryParam("done") != "" {
		p.Said = "That is noted."
	}
	if p.On, err = s.Digest.Wanted(c.Request().Context(), rep); err != nil {
		return err
	}
	p.Self = link("", "digest", param(c, "rep"))
	p.frame = s.frame(c, "Do you want the daily mail?", "", lens{})
	p.Bare = true
	return s.render(c, http.StatusOK, "digest", p)
}

// changeDigest ends the mail, unless the form asks for it again.
func (s *Site) changeDigest(c echo.Context) error {
	rep, err := s.digestRep(c)
	if err != nil {
		return err
	}
	if err := s.Digest.Want(c.Request().Context(), rep, c.FormValue("do") == "begin"); err != nil {
		return err
	}
	if c.FormValue("List-Unsubscribe") != "" { // a mail program, which follows no redirect
		return c.NoContent(http.StatusOK)
	}
	return seeOther(c, link("done=1", "digest", param(c, "rep")))
}
