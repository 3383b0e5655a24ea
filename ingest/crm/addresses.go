package crm

import (
	"context"
	"fmt"
	"io"
	"os"

	"dealtrail/trail"
)

// Addresses reads the addresses of contacts from a CSV or XLSX file called name, in its
// order, each once: the column is found as an import of contacts finds it. refused is how
// many rows have no usable address. What a person can mend is a *trail.Problem.
func Addresses(ctx context.Context, name string, body io.Reader) (addresses []string, refused int, err error) {
	t, err := tableNamed("contacts")
	if err != nil {
		return nil, 0, err
	}
	dir, err := os.MkdirTemp("", "dealtrail-list-")
	if err != nil {
		return nil, 0, fmt.Errorf("read a list: %w", err)
	}
	defer os.RemoveAll(dir)
	s, err := readSheet(ctx, t, name, body, dir)
	if err != nil {
		return nil, 0, err
	}
	defer s.close()
	email := -1
	for i, u := range s.used {
		if u.name == "email" {
			email = i
		}
	}
	seen := map[string]bool{}
	err = s.each(func(_ int, fault string, cells []string) error {
		address, ok := "", false
		if fault == "" && email < len(cells) {
			address, ok = readAddress(cells[email])
		}
		if address = trail.NormalAddress(address); !ok || address == "" {
			refused++
		} else if !seen[address] {
			seen[address] = true
			addresses = append(addresses, address)
		}
		return nil
	})
	return addresses, refused, err
}
