package passfort

import (
	"errors"
	"fmt"
	"time"
)

// ParseDateTime reads a date-time of the API, YYYY-MM-DD hh:mm:ss, as UTC (sheet 1.8). It also
// takes fractions of a second and RFC 3339. The error does not repeat the value.
func ParseDateTime(s string) (time.Time, error) {
	for _, layout := range []string{time.DateTime, time.RFC3339, "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, errors.New("passfort: not a date-time of the form YYYY-MM-DD hh:mm:ss")
}

// FormatDateTime writes t as a date-time of the API: YYYY-MM-DD hh:mm:ss in UTC.
func FormatDateTime(t time.Time) string { return t.UTC().Format(time.DateTime) }

// PartialDate is a date of which only the year, or only the year and the month, may be known
// (sheet 1.8). Month and Day are 0 when absent.
type PartialDate struct{ Year, Month, Day int }

// ParsePartialDate reads YYYY, YYYY-MM or YYYY-MM-DD. The date must exist in the calendar. The
// error does not repeat the value.
func ParsePartialDate(s string) (PartialDate, error) {
	layout := map[int]string{4: "2006", 7: "2006-01", 10: time.DateOnly}[len(s)]
	t, err := time.Parse(layout, s)
	if layout == "" || err != nil || t.Year() == 0 {
		return PartialDate{}, errors.New("passfort: not a date of the form YYYY, YYYY-MM or YYYY-MM-DD")
	}
	d := PartialDate{Year: t.Year()}
	if len(s) >= 7 {
		d.Month = int(t.Month())
	}
	if len(s) == 10 {
		d.Day = t.Day()
	}
	return d, nil
}

// String returns the date as YYYY, YYYY-MM or YYYY-MM-DD, and "" for the zero value.
func (d PartialDate) String() string {
	switch {
	case d.Year == 0:
		return ""
	case d.Month == 0:
		return fmt.Sprintf("%04d", d.Year)
	case d.Day == 0:
		return fmt.Sprintf("%04d-%02d", d.Year, d.Month)
	}
	return fmt.Sprintf("%04d-%02d-%02d", d.Year, d.Month, d.Day)
}
