package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// With server.acme_domains the program needs no proxy: it gets certificates itself and
// listens twice more, for TLS and for those who come without.

// hostOf is the host of an address, without the port.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

// checkCertificates refuses certificates that nobody could be shown.
func (c *Config) checkCertificates() error {
	s := c.Server
	if len(s.ACMEDomains) == 0 {
		return nil
	}
	// pages_url is public_url where it is not set: what was written is named first.
	for _, at := range [][2]string{{"server.public_url", s.PublicURL}, {"server.pages_url", c.pages()}} {
		key, address := at[0], at[1]
		if u, err := url.Parse(address); err != nil || u.Scheme != "https" || u.Port() != "" || !slices.Contains(s.ACMEDomains, hostOf(address)) {
			return fmt.Errorf("%s: %s is %q; with server.acme_domains it must be https:// and one of these domains, without a port", c.path, key, address)
		}
	}
	for _, domain := range s.ACMEDomains {
		if domain != strings.ToLower(domain) || !strings.Contains(domain, ".") || strings.ContainsAny(domain, "*:/ ") {
			return fmt.Errorf("%s: server.acme_domains has %q; expected the names of hosts in small letters, such as go.example.com", c.path, domain)
		}
	}
	for _, at := range [][2]string{{"server.tls_listen", s.TLSListen}, {"server.http_listen", s.HTTPListen}} {
		key, value := at[0], at[1]
		if _, _, err := net.SplitHostPort(value); err != nil && (value != "" || key == "server.tls_listen") {
			return fmt.Errorf("%s: %s is %q; expected host:port, such as :443", c.path, key, value)
		}
	}
	if d := s.ACMEDirectory; d != "" {
		if u, err := url.Parse(d); err != nil || u.Scheme != "https" && !isLoopback(u.Hostname()) {
			return fmt.Errorf("%s: server.acme_directory is %q; expected the https address of an authority's directory", c.path, d)
		}
	}
	if s.TrackingListen != "" && hostOf(s.PublicURL) == hostOf(c.pages()) {
		return fmt.Errorf("%s: server.tracking_listen is set, and with server.acme_domains links are told from pages by their host; set server.pages_url to another host", c.path)
	}
	return nil
}

// openTLS binds what server.acme_domains asks for.
func (p *program) openTLS() (err error) {
	s := p.config.Server
	if len(s.ACMEDomains) == 0 || !p.roles.has("web") && !p.roles.has("track") {
		return nil
	}
	if p.secure == nil {
		if p.secure, err = bind("server.tls_listen", s.TLSListen); err != nil {
			return err
		}
	}
	p.cleanup = append(p.cleanup, closeListener(p.secure))
	if p.plain == nil && s.HTTPListen != "" {
		if p.plain, err = bind("server.http_listen", s.HTTPListen); err != nil {
			return err
		}
	}
	if p.plain != nil {
		p.cleanup = append(p.cleanup, closeListener(p.plain))
	}
	return nil
}

// serveTLS are the sources that answer over TLS, and send there who came without.
// pages is what the main listener serves.
func (p *program) serveTLS(pages http.Handler) (sources []func(context.Context) error) {
	if p.secure == nil {
		return nil
	}
	s := p.config.Server
	m := &autocert.Manager{
		Prompt: autocert.AcceptTOS, Email: s.ACMEEmail, HostPolicy: autocert.HostWhitelist(s.ACMEDomains...),
		Cache:  autocert.DirCache(filepath.Join(p.config.beside(p.config.Data.Dir), "certificates")),
		Client: &acme.Client{DirectoryURL: s.ACMEDirectory, UserAgent: "dealtrail", HTTPClient: p.issuer},
	}
	if s.ACMEDirectory == "" {
		m.Client.DirectoryURL = autocert.DefaultACMEDirectory
	}
	config := m.TLSConfig()
	config.MinVersion = tls.VersionTLS12
	h := pages
	if links, host := hostOf(s.PublicURL), hostOf(p.config.pages()); links != host && p.roles.has("track") {
		h = byHost(links, p.trackingHandler(), pages)
	}
	sources = append(sources, listen(tls.NewListener(p.secure, config), h, p.log))
	if p.plain != nil {
		sources = append(sources, listen(p.plain, m.HTTPHandler(toTLS(s.ACMEDomains)), p.log))
	}
	return sources
}

// byHost answers one host by a handler of its own.
func byHost(host string, own, others http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requestHost(r) == host {
			own.ServeHTTP(w, r)
			return
		}
		others.ServeHTTP(w, r)
	})
}

// requestHost is the host that a request is for, without the port.
func requestHost(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	return strings.ToLower(host)
}

// toTLS sends who came in plain text to the same place over TLS. Nobody is sent to a
// host that is not ours.
func toTLS(domains []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := requestHost(r)
		if !slices.Contains(domains, host) {
			http.Error(w, "This server has no such host.", http.StatusMisdirectedRequest)
			return
		}
		// What a browser would send again in plain text, such as a form, has been read by others already.
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			http.Error(w, "Use https.", http.StatusForbidden)
			return
		}
		http.Redirect(w, r, "https://"+host+r.URL.RequestURI(), http.StatusMovedPermanently)
	})
}

// onlyTLS tells browsers of the pages' host that it speaks nothing but TLS. Links have
// none of it unless they share that host: their host is the company's to use elsewhere.
func (c *Config) onlyTLS(next echo.HandlerFunc) echo.HandlerFunc {
	host := hostOf(c.pages())
	return func(c echo.Context) error {
		if c.Scheme() == "https" && requestHost(c.Request()) == host {
			c.Response().Header().Set(echo.HeaderStrictTransportSecurity, "max-age=31536000")
		}
		return next(c)
	}
}
