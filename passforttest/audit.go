package passforttest

import (
	"bytes"
	"fmt"
)

// auditRoutes are the operations on the audit log.
func auditRoutes() []*route {
	return []*route{
		{Operation: "Audit.Items", Method: get, Path: onProfile + "/audit-items",
			handle: withProfile((*world).auditItems)},
		{Operation: "Audit.PDFReport", Method: get, Path: onProfile + "/audit/pdf_report",
			handle: withProfile((*world).auditReport)},
	}
}

type auditItem struct {
	ID     string  `json:"id"`
	Action string  `json:"action"`
	User   *User   `json:"user,omitempty"`
	Key    string  `json:"key,omitempty"`
	Time   float64 `json:"time"` // Unix seconds
	Ref    object  `json:"ref,omitempty"`
}

func (w *world) audit(p *profile, by actor, action string, ref object) {
	w.touch(p)
	p.Audit = append(p.Audit, auditItem{
		ID: w.newID(), Action: action, User: by.user, Key: by.key, Time: float64(w.tick.UnixMilli()) / 1000, Ref: ref,
	})
}

func (w *world) auditItems(_ *call, p *profile) (*reply, error) {
	out := []object{}
	for _, a := range p.Audit {
		o := object{
			"id": a.ID, "profileID": p.ID, "action": a.Action, "user": nil, "apikey": nil, "timestamp": a.Time,
			"message": nil, "ref_data": nil, "filename": nil, "filehash": nil, "signature": nil,
		}
		if a.User != nil {
			o["user"] = a.User
		}
		if a.Key != "" {
			o["apikey"] = object{"name": a.Key}
		}
		if a.Ref != nil {
			o["ref_data"] = a.Ref
		}
		out = append(out, o)
	}
	return ok(ordered(w, out)), nil
}

// auditReport answers with a small PDF that lists the actions.
func (w *world) auditReport(c *call, p *profile) (*reply, error) {
	lines := []string{"Audit report " + p.ID}
	for _, a := range p.Audit {
		lines = append(lines, a.Action)
	}
	w.audit(p, byKey(c), "download-audit-report", nil)
	return &reply{media: "application/pdf", body: pdf(lines)}, nil
}

// pdf writes lines of plain text as a PDF of one page.
func pdf(lines []string) []byte {
	var page, out bytes.Buffer
	page.WriteString("BT /F1 10 Tf 12 TL 40 800 Td\n")
	for _, l := range lines[:min(len(lines), 60)] {
		fmt.Fprintf(&page, "(%s) Tj T*\n", l)
	}
	page.WriteString("ET")
	objects := []string{
		"<</Type/Catalog/Pages 2 0 R>>",
		"<</Type/Pages/Kids[3 0 R]/Count 1>>",
		"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
		fmt.Sprintf("<</Length %d>>stream\n%s\nendstream", page.Len(), page.Bytes()),
		"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
	}
	out.WriteString("%PDF-1.4\n")
	offsets := make([]int, len(objects))
	for i, o := range objects {
		offsets[i] = out.Len()
		fmt.Fprintf(&out, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	start := out.Len()
	fmt.Fprintf(&out, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, at := range offsets {
		fmt.Fprintf(&out, "%010d 00000 n \n", at)
	}
	fmt.Fprintf(&out, "trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, start)
	return out.Bytes()
}
