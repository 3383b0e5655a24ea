package api

import (
	"io"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"dealtrail/ingest/crm/feed"
	"dealtrail/trail"
)

// maxDelivery is the largest body that a CRM may deliver, in bytes; none sends a tenth of it.
const maxDelivery = 1 << 20

// deliver accepts what a CRM says by itself. The body is verified as it came; 2xx says
// that it is durable.
func (s *Server) deliver(c echo.Context) error {
	q := c.Request()
	if q.Header.Get("Content-Encoding") != "" {
		return echo.NewHTTPError(http.StatusUnsupportedMediaType) // what is signed is what is sent, and nothing unfolds here
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Response(), q.Body, maxDelivery))
	if err != nil {
		return err
	}
	name := param(c, "source")
	// The address under which the CRM knows us, as configured: what a proxy says of it may be anything.
	uri := strings.TrimSuffix(s.Feeds.Public, "/") + q.URL.EscapedPath()
	if q.URL.RawQuery != "" {
		uri += "?" + q.URL.RawQuery
	}
	if err := s.Feeds.Receive(q.Context(), name, feed.Delivery{Method: q.Method, URI: uri, Header: q.Header, Body: body}); err != nil {
		return err
	}
	if source, err := s.Feeds.Named(name); err == nil && source.Kind == feed.Salesforce {
		return c.Blob(http.StatusOK, "text/xml; charset=utf-8", []byte(feed.SalesforceAck))
	}
	return c.NoContent(http.StatusNoContent)
}

// crms answers with how the CRMs are doing.
func (s *Server) crms(c echo.Context) error {
	all, err := s.Feeds.Status(c.Request().Context())
	if err != nil {
		return err
	}
	return s.rows(c, "crm", listOf(all))
}

func (s *Server) crm(c echo.Context) error {
	one, err := s.Feeds.StatusOf(c.Request().Context(), param(c, "name"))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, one)
}

// checkCRM signs in and shows what is there; nothing is stored.
func (s *Server) checkCRM(c echo.Context) error {
	takesLong(c)
	check, err := s.Feeds.Check(c.Request().Context(), param(c, "name"))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, check)
}

// pullCRM has a CRM asked soon.
func (s *Server) pullCRM(c echo.Context) error {
	var in struct {
		Full bool `json:"full"`
	}
	if err := decode(c, &in); err != nil {
		return err
	}
	ctx, name := c.Request().Context(), param(c, "name")
	if err := s.Feeds.Ask(ctx, name, in.Full); err != nil {
		return err
	}
	one, err := s.Feeds.StatusOf(ctx, name)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusAccepted, one)
}

// setStages takes down what stages mean here.
func (s *Server) setStages(c echo.Context) error {
	var in struct {
		Stages map[string]trail.CRMMeaning `json:"stages"`
	}
	if err := decode(c, &in); err != nil {
		return err
	}
	ctx, name := c.Request().Context(), param(c, "name")
	if err := s.Feeds.SetStages(ctx, name, in.Stages); err != nil {
		return err
	}
	one, err := s.Feeds.StatusOf(ctx, name)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, one)
}

// reconcile answers with how many deals the CRM has and how many are here, and on which
// they differ.
func (s *Server) reconcile(c echo.Context) error {
	from, err := s.moment("from", c.QueryParam("from"))
	if err != nil {
		return err
	}
	to, err := s.moment("to", c.QueryParam("to"))
	if err != nil {
		return err
	}
	r, err := s.Feeds.Reconcile(c.Request().Context(), param(c, "name"), from, to)
	if err != nil {
		return err
	}
	return s.rows(c, "reconciliation", *r)
}

// aside answers with the deliveries that were not understood.
func (s *Server) aside(c echo.Context) error {
	rows, err := s.Feeds.Aside(c.Request().Context(), param(c, "name"))
	if err != nil {
		return err
	}
	return s.rows(c, "aside", listOf(rows))
}

// readAside has them read once more.
func (s *Server) readAside(c echo.Context) error {
	n, err := s.Feeds.Again(c.Request().Context(), param(c, "name"))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]int{"replayed": n})
}
