package passfort

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/passfort-go/passfort/internal/transport"
	"github.com/passfort-go/passfort/internal/wire"
)

// AuditService reads the audit trail of a profile (docs/api/audit-and-risk.md#audit-items).
type AuditService struct{ road *road }

// Items reads all audit items of a profile.
func (s *AuditService) Items(ctx context.Context, profileID string, opts ...CallOption) ([]AuditItem, error) {
	return list[AuditItem](ctx, s.road, "Audit.Items", call{args: []string{profileID}, opts: opts})
}

// PDFReport streams the audit report of a profile into w. The API allows 0.75
// of these a second. Only the route is documented, so the media type is
// whatever the server says; what is no PDF is an error, as is a refusal with status
// 200, and neither is written. A report may have up to 500 MB. Once something was
// written to w the call is not repeated: after an error discard what w holds.
func (s *AuditService) PDFReport(
	ctx context.Context, profileID string, w io.Writer, opts ...CallOption,
) (*AuditReport, error) {
	var out AuditReport
	content := rawContent{w: w, check: func(start []byte, h http.Header) error {
		if len(start) == 0 {
			return io.ErrUnexpectedEOF
		}
		out.ContentType = h.Get("Content-Type")
		if !isPDF(start, out.ContentType) {
			return transport.Final(fmt.Errorf("%w: no PDF", wire.ErrShape))
		}
		return nil
	}}
	c := call{
		args: []string{profileID}, problem: content.problem(), header: http.Header{"Accept": {"application/pdf, */*"}},
		consume: content.consume, opts: opts,
	}
	if _, err := s.road.do(ctx, "Audit.PDFReport", c); err != nil {
		return nil, err
	}
	out.Size = content.written
	return &out, nil
}

// isPDF reports whether an answer begins like a PDF and does not say that it is
// something else. A PDF may have something before its header (ISO 32000).
func isPDF(start []byte, contentType string) bool {
	media, _, _ := mime.ParseMediaType(contentType)
	if media == "text/html" || strings.HasSuffix(media, "json") || strings.HasSuffix(media, "xml") {
		return false
	}
	return bytes.Contains(start[:min(len(start), 1024)], []byte("%PDF-"))
}

// AuditReport describes a report that PDFReport has written.
type AuditReport struct {
	ContentType string
	Size        int64 // in bytes
}

// AuditItem is an entry of a profile's audit log (docs/api/audit-and-risk.md#audit-items).
type AuditItem struct {
	ID string `json:"id"`
	// ProfileID is the only member of the API in camel case.
	ProfileID string      `json:"profileID"`
	Action    AuditAction `json:"action"`
	// User is nil when no person acted.
	User *User `json:"user"`
	// APIKey is nil when no key was used.
	APIKey *APIKeyRef `json:"apikey"`
	// Timestamp is in Unix seconds.
	Timestamp *float64 `json:"timestamp"`
	Message   string   `json:"message"`
	// RefData depends on the action and is kept unchanged.
	RefData   json.RawMessage `json:"ref_data"`
	Filename  string          `json:"filename"`
	Filehash  string          `json:"filehash"`
	Signature string          `json:"signature"`

	Unknown Unknown `json:"-"`
}

// AuditAction is what an audit item records (docs/api/audit-and-risk.md#audit-items).
type AuditAction string

// Values of AuditAction. Others may appear at any time.
const (
	AuditActionAddedATag                       AuditAction = "added-a-tag"
	AuditActionAddedATask                      AuditAction = "added-a-task"
	AuditActionAddedProduct                    AuditAction = "added-product"
	AuditActionAttachFile                      AuditAction = "attach-file"
	AuditActionAutoDecision                    AuditAction = "auto-decision"
	AuditActionRiskAutoRejectApplication       AuditAction = "risk-auto-reject-application"
	AuditActionComment                         AuditAction = "comment"
	AuditActionCompletedATask                  AuditAction = "completed-a-task"
	AuditActionCompletedStage                  AuditAction = "completed-stage"
	AuditActionCreatedProfile                  AuditAction = "created-profile"
	AuditActionDownloadAuditFile               AuditAction = "download-audit-file"
	AuditActionDownloadAuditReport             AuditAction = "download-audit-report"
	AuditActionDownloadedADocument             AuditAction = "downloaded-a-document"
	AuditActionEventResolution                 AuditAction = "event-resolution"
	AuditActionInstructedCheck                 AuditAction = "instructed-check"
	AuditActionLinkedProfile                   AuditAction = "linked-profile"
	AuditActionManualDecision                  AuditAction = "manual-decision"
	AuditActionProfileApplicationStatusChanged AuditAction = "profile-application-status-changed"
	AuditActionRemovedATag                     AuditAction = "removed-a-tag"
	AuditActionReplaceCollectedData            AuditAction = "replace-collected-data"
	AuditActionRequestedData                   AuditAction = "requested-data"
	AuditActionRevertDecision                  AuditAction = "revert-decision"
	AuditActionSanctionsFalsePositive          AuditAction = "sanctions-false-positive"
	AuditActionSubmittedData                   AuditAction = "submitted-data"
	AuditActionUncompletedATask                AuditAction = "uncompleted-a-task"
	AuditActionUnlinkedProfile                 AuditAction = "unlinked-profile"
	AuditActionUpdatedCheck                    AuditAction = "updated-check"
	AuditActionUploadedADocument               AuditAction = "uploaded-a-document"
	AuditActionView                            AuditAction = "view"
	AuditActionViewedProfile                   AuditAction = "viewed-profile"
	AuditActionEventBulkResolution             AuditAction = "event-bulk-resolution"
	AuditActionAddedATaskNote                  AuditAction = "added-a-task-note"
	AuditActionDeletedATaskNote                AuditAction = "deleted-a-task-note"
	AuditActionAddedAFile                      AuditAction = "added-a-file"
	AuditActionApplicationAssignmentCreated    AuditAction = "application-assignment-created"
	AuditActionApplicationAssignmentDeleted    AuditAction = "application-assignment-deleted"
	AuditActionApplicationAssignmentReassigned AuditAction = "application-assignment-reassigned"
	AuditActionCommentDeleted                  AuditAction = "comment-deleted"
	AuditActionAddedEvent                      AuditAction = "added-event"
	AuditActionProfileStatusChanged            AuditAction = "profile-status-changed"
	AuditActionSanctionsWhitelist              AuditAction = "sanctions-whitelist"
	AuditActionOriginProfileChanged            AuditAction = "origin-profile-changed"
	AuditActionAffiliateAdded                  AuditAction = "affiliate-added"
	AuditActionAffiliateRemoved                AuditAction = "affiliate-removed"
)
