package passforttest

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/passfort-go/passfort/verify"
)

// Like makes the server answer as an account did when verify.Run or a
// verify.Listener made the report: it sets the switches and the size of a page
// that were seen, and the products with the tasks that they require. A product whose alias is not in the
// report is called "product-1", "product-2" and so on.
//
// What was not seen stays as it is; verify.Report.Unseen has its switches. Several
// reports may be given, each as an option of its own. A nil report and switches that
// this version does not have change nothing.
func Like(report *verify.Report) Option {
	return func(c *config) {
		if report == nil {
			return
		}
		for _, f := range report.Findings {
			c.switches.set(f)
			if n, err := strconv.Atoi(f.Value); err == nil && f.Probe == "page-default" {
				WithPageSize(n)(c)
			}
		}
		for i, p := range report.Products {
			product := Product{Alias: p.Alias, Tasks: []ProductTask{}}
			if product.Alias == "" {
				product.Alias = fmt.Sprintf("product-%d", i+1)
			}
			for _, kind := range p.Tasks {
				product.Tasks = append(product.Tasks, ProductTask{Type: kind})
			}
			c.products = append(c.products, product)
		}
	}
}

// set turns a switch to what was found.
func (sw *Switches) set(f verify.Finding) {
	differs := f.Verdict == verify.Differs
	if f.Switch == "" || !differs && f.Verdict != verify.Confirmed {
		return
	}
	field := reflect.ValueOf(sw).Elem().FieldByName(f.Switch)
	switch {
	case !field.IsValid():
	case !differs:
		field.SetZero()
	case field.Kind() == reflect.Bool:
		field.SetBool(true)
	case field.Kind() == reflect.String && isEventName(f.Value):
		field.SetString(f.Value)
	case field.Kind() == reflect.Int:
		values := map[string]int64{
			"NewestFirst": int64(NewestFirst), "Shuffled": int64(Shuffled),
			"BatchObject": int64(BatchObject), "BatchSingle": int64(BatchSingle),
		}
		if n, known := values[f.Value]; known {
			field.SetInt(n)
		}
	}
}

// isEventName keeps what is no name of an event out of webhooks.
func isEventName(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == ""
}
