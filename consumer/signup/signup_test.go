package signup_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"teapots.example/accounts/kyc"
	"teapots.example/accounts/signup"
)

// checker is a fake supplier.
type checker struct {
	kyc.Checker // panics for what a test does not expect

	openErr, verifyErr error
	verdict            kyc.Verdict
	opened, verified   []string
}

func (c *checker) Open(_ context.Context, a kyc.Applicant) (string, error) {
	c.opened = append(c.opened, a.Reference)
	return "case of " + a.Reference, c.openErr
}

func (c *checker) Verify(_ context.Context, caseID string) (kyc.Verdict, error) {
	c.verified = append(c.verified, caseID)
	return c.verdict, c.verifyErr
}

type cases map[string]string

func (c cases) Find(reference string) (string, bool) {
	caseID, found := c[reference]
	return caseID, found
}

func (c cases) Keep(reference, caseID string) error {
	c[reference] = caseID
	return nil
}

type lostCases struct{ cases }

var errDisk = errors.New("the disk is full")

func (lostCases) Keep(string, string) error { return errDisk }

func TestJoin(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name     string
		checker  checker
		cases    signup.Cases
		want     signup.State
		err      error
		opened   []string
		verified []string
	}{
		{name: "accepted", checker: checker{verdict: kyc.Accepted}, cases: cases{}, want: signup.Open,
			opened: []string{"T-1"}, verified: []string{"case of T-1"}},
		{name: "refused", checker: checker{verdict: kyc.Refused}, cases: cases{}, want: signup.Declined,
			opened: []string{"T-1"}, verified: []string{"case of T-1"}},
		{name: "referred", checker: checker{verdict: kyc.Referred}, cases: cases{}, want: signup.Waiting,
			opened: []string{"T-1"}, verified: []string{"case of T-1"}},
		{name: "opened before", checker: checker{verdict: kyc.Accepted}, cases: cases{"T-1": "case 7"},
			want: signup.Open, verified: []string{"case 7"}},
		{name: "busy", checker: checker{openErr: kyc.ErrLater}, cases: cases{}, want: signup.Retry,
			opened: []string{"T-1"}},
		{name: "uncertain", checker: checker{openErr: kyc.ErrUncertain}, cases: cases{}, want: signup.Waiting,
			err: kyc.ErrUncertain, opened: []string{"T-1"}},
		{name: "uncertain check", checker: checker{verifyErr: kyc.ErrUncertain}, cases: cases{}, want: signup.Waiting,
			err: kyc.ErrUncertain, opened: []string{"T-1"}, verified: []string{"case of T-1"}},
		{name: "case not kept", checker: checker{verdict: kyc.Accepted}, cases: lostCases{}, want: signup.Waiting,
			err: errDisk, opened: []string{"T-1"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			service := &signup.Service{Checker: &row.checker, Cases: row.cases}
			got, err := service.Join(t.Context(), kyc.Applicant{Reference: "T-1"})
			require.ErrorIs(t, err, row.err)
			require.Equal(t, row.want, got)
			require.Equal(t, row.opened, row.checker.opened)
			require.Equal(t, row.verified, row.checker.verified)
		})
	}
}
