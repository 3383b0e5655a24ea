package dashboards

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"io"

	"dealtrail/trail"
)

//go:embed templates/print/budget.css
var budgetStyle string

// budgetPolicy lets a browser apply the one style sheet that is in the file, and
// nothing else.
var budgetPolicy = func() string {
	sum := sha256.Sum256([]byte(budgetStyle))
	return "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}()

var budgetPrinted = template.Must(template.ParseFS(templateFiles, "templates/print/budget.html", "templates/print/budget_body.html"))

// BudgetHTML writes a budget page as one file that needs nothing else and prints on
// one A4 page.
func BudgetHTML(w io.Writer, b trail.Budget) error { return printBudget(w, b, "") }

// printBudget is BudgetHTML with a link to the PDF, if there is one.
func printBudget(w io.Writer, b trail.Budget, pdf string) error {
	return budgetPrinted.ExecuteTemplate(w, "budget.html", map[string]any{"View": viewOf(b), "Question": budgetQuestion, "Style": template.CSS(budgetStyle), "PDF": pdf})
}

// BudgetFormat is one way to write a budget page as a file.
type BudgetFormat struct {
	Type  string // media type
	Write func(w io.Writer, b trail.Budget) error
}

// BudgetFormats are the files that a budget page can be, by name and ending, besides
// JSON.
var BudgetFormats = map[string]BudgetFormat{
	"csv":  {"text/csv", BudgetCSV},
	"html": {"text/html", BudgetHTML},
	"pdf":  {"application/pdf", BudgetPDF},
}
