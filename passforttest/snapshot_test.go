package passforttest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSnapshot(t *testing.T) {
	t.Parallel()
	a := start(t, byHand()...)
	id := a.person()
	path := "/profiles/" + id
	const odd = `{"entity_type":"INDIVIDUAL","n":1.10,"x":null,"y":""}`
	tag := a.post(path+"/collected_data", odd).header.Get("Etag")
	check := text(a.post(path+"/checks?mode=async", `{"check_type":"IDENTITY_CHECK"}`).object(t), "id")
	saved, err := a.srv.Snapshot()
	require.NoError(t, err)

	b := start(t, byHand()...)
	require.NoError(t, b.srv.Restore(saved))
	require.Equal(t, a.get(path).raw, b.get(path).raw)
	got := b.get(path + "/collected_data")
	require.Equal(t, odd, got.raw)
	require.Equal(t, tag, got.header.Get("Etag"))
	require.Equal(t, a.person(), b.person(), "the random source goes on where it was")
	b.srv.AdvanceClock(time.Minute)
	require.Equal(t, "COMPLETE", b.get(path + "/checks/" + check).object(t)["state"])
	require.Equal(t, "READY_FOR_DECISION", text(b.get(path + "/applications").list(t)[0], "flag"))

	require.Error(t, b.srv.Restore([]byte(`{}`)))
	require.Error(t, b.srv.Restore([]byte(`{"format":1,"state":{}}`)))
	require.Error(t, b.srv.Restore([]byte(`x`)))
}
