package server

import (
	"io"
	"net/http"
	"strconv"
	"time"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/trust"
)

func (s *Server) status(w http.ResponseWriter, _ *request) error {
	writeJSON(w, http.StatusOK, s.Cluster.Status())
	return nil
}

func (s *Server) plan(w http.ResponseWriter, _ *request) error {
	writeJSON(w, http.StatusOK, s.Cluster.Plan())
	return nil
}

func (s *Server) events(w http.ResponseWriter, r *request) error {
	values, q := r.URL.Query(), api.EventQuery{}
	var err error
	if text := values.Get("since"); text != "" {
		if q.Since, err = time.Parse(time.RFC3339, text); err != nil {
			return api.Errorf(api.CodeInvalid, "since %.50q is no time as 2006-01-02T15:04:05Z", text)
		}
	}
	if text := values.Get("after"); text != "" {
		if q.After, err = strconv.ParseInt(text, 10, 64); err != nil {
			return api.Errorf(api.CodeInvalid, "after %.50q is no event's seq", text)
		}
	}
	q.Node, q.Growth = values.Get("node"), values.Get("growth") == "true"
	writeJSON(w, http.StatusOK, s.Cluster.Events(q))
	return nil
}

func (s *Server) explain(w http.ResponseWriter, r *request) error {
	e, err := s.Cluster.Explain(r.Context(), r.PathValue("node"))
	if err == nil {
		writeJSON(w, http.StatusOK, e)
	}
	return err
}

func (s *Server) diagnosis(w http.ResponseWriter, r *request) error {
	d, err := s.Cluster.Diagnose(r.Context())
	if err == nil {
		writeJSON(w, http.StatusOK, d)
	}
	return err
}

func (s *Server) hold(w http.ResponseWriter, r *request) error {
	in, err := decode[api.HoldRequest](r)
	if err == nil {
		err = s.Cluster.Hold(r.Context(), in)
	}
	return done(w, err)
}

func (s *Server) approve(w http.ResponseWriter, r *request) error {
	in, err := decode[api.ApproveRequest](r)
	if err != nil {
		return err
	}
	answer, err := s.Cluster.Approve(r.Context(), in)
	if err == nil {
		writeJSON(w, http.StatusOK, answer)
	}
	return err
}

func (s *Server) release(w http.ResponseWriter, r *request) error {
	in, err := decode[api.ReleaseRequest](r)
	if err == nil {
		err = s.Cluster.Release(r.Context(), in)
	}
	return done(w, err)
}

func (s *Server) rollout(w http.ResponseWriter, r *request) error {
	in, err := decode[api.RolloutRequest](r)
	if err == nil {
		err = s.Cluster.Rollout(r.Context(), in)
	}
	return done(w, err)
}

func (s *Server) tokens(w http.ResponseWriter, _ *request) error {
	writeJSON(w, http.StatusOK, s.Cluster.Tokens())
	return nil
}

func (s *Server) createToken(w http.ResponseWriter, r *request) error {
	in, err := decode[api.TokenRequest](r)
	if err != nil {
		return err
	}
	made, err := s.Cluster.CreateToken(r.Context(), in)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, made)
	return nil
}

func (s *Server) revokeToken(w http.ResponseWriter, r *request) error {
	in, err := decode[api.TokenRevocation](r)
	if err == nil {
		err = s.Cluster.RevokeToken(r.Context(), in)
	}
	return done(w, err)
}

func (s *Server) node(w http.ResponseWriter, r *request) error {
	in, err := decode[api.NodeRequest](r)
	if err != nil {
		return err
	}
	answer, err := s.Cluster.Node(r.Context(), in)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}

func (s *Server) recover(w http.ResponseWriter, r *request) error {
	in, err := decode[api.RecoverRequest](r)
	if err == nil {
		err = s.Cluster.Recover(r.Context(), in)
	}
	return done(w, err)
}

func (s *Server) ca(w http.ResponseWriter, r *request) error {
	in, err := decode[api.CARequest](r)
	if err != nil {
		return err
	}
	view, err := s.Cluster.RotateCA(r.Context(), in)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, view)
	return nil
}

func done(w http.ResponseWriter, err error) error {
	if err == nil {
		writeJSON(w, http.StatusOK, struct{}{})
	}
	return err
}

// healthz: the process answers.
func (s *Server) healthz(w http.ResponseWriter, _ *request) error {
	_, _ = io.WriteString(w, "ok\n")
	return nil
}

// readyz: it can also do its work. Why not is for people who may look: the reason names the Mesos masters.
func (s *Server) readyz(w http.ResponseWriter, r *request) error {
	if err := s.Cluster.Ready(); err != nil && r.access < trust.Reader {
		return api.Errorf(api.CodeUnavailable, "not ready; with the read token the reason is shown")
	} else if err != nil {
		return api.Errorf(api.CodeUnavailable, "%v", err)
	}
	_, _ = io.WriteString(w, "ready\n")
	return nil
}

func (s *Server) metrics(w http.ResponseWriter, _ *request) error {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	s.Metrics(w)
	return nil
}
