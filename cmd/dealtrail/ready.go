package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// ready asks the process on this machine whether its roles can work. It needs no key,
// so that a health check may run where there is none.
func ready(e *env) error {
	address := e.URL
	if address == "" {
		c, err := loadConfig(e.Config, os.Environ())
		if err != nil {
			return err
		}
		address = c.address()
	}
	ctx, cancel := context.WithTimeout(e.ctx, 4*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(address, "/")+"/readyz", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		fmt.Fprintln(e.err, strings.TrimSpace(string(said)))
		return errTrouble
	}
	return nil
}
