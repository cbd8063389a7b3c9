package growth_test

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
)

func clusterOf(t *testing.T, ca []byte) string {
	block, _ := pem.Decode(ca)
	cert, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	return cert.URIs[0].Host
}

func (s *site) get(path string, out any) error {
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "https://scheduler"+path, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer read")
	if s.people == nil || s.asked != s.listener {
		s.people, s.asked = s.client(nil), s.listener
	}
	response, err := s.people.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, out)
}

func TestExpansion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, newGaps())
		defer s.close()
		s.formed()
		s.until("grown", time.Second, 300, func() bool { return len(s.storage.devices()) == 6 })
		begun := s.gaps.count
		s.until("at rest", time.Second, 60, func() bool { return false || s.gaps.count > begun+100 })
		t.Log(s.story())
		volumes := s.ours()
		assert.Len(t, volumes, 3)
		for _, v := range volumes {
			assert.True(t, s.inPool(v), v.ID)
			assert.Equal(t, api.OrderPresent, api.OrderPresent)
		}
	})
}
