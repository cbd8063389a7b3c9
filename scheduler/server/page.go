package server

import (
	"embed"
	"fmt"
	"html/template"
	"mime"
	"net/http"
	"path"
	"time"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/trust"
)

//go:embed assets
var assets embed.FS

var pages = template.Must(template.ParseFS(assets, "assets/*.html"))

const cookieName = "__Host-scaleio"

// contentPolicy: nothing but our own files, so that a host name with markup in it stays a host name.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// page shows the cluster to people who may look, and a form for their token to others. A token is never taken from a URL: those end up in
// histories, logs and process lists.
func (s *Server) page(w http.ResponseWriter, r *request) error {
	if r.access < trust.Reader {
		return s.render(w, http.StatusUnauthorized, "login.html", "")
	}
	status := s.Cluster.Status()
	return s.render(w, http.StatusOK, "status.html", status.Name)
}

func (s *Server) login(w http.ResponseWriter, r *request) error {
	return s.letIn(w, r, r.PostFormValue("token"))
}

func (s *Server) letIn(w http.ResponseWriter, r *request, token string) error {
	if s.People.Bearer(token) < trust.Reader {
		return s.render(w, http.StatusUnauthorized, "login.html", "That token isn't known here.")
	}
	now := time.Now()
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: s.People.Cookie(now), Path: "/", MaxAge: int(trust.SessionLife.Seconds()),
		Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
	http.Redirect(w, r.Request, "/", http.StatusSeeOther)
	return nil
}

func (s *Server) logout(w http.ResponseWriter, r *request) error {
	http.SetCookie(w, &http.Cookie{Name: cookieName, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	http.Redirect(w, r.Request, "/", http.StatusSeeOther)
	return nil
}

func (s *Server) render(w http.ResponseWriter, status int, name string, data any) error {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", contentPolicy)
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(status)
	if err := pages.ExecuteTemplate(w, name, data); err != nil {
		s.Log.Debug("page not finished", "err", err) // its head is sent: nobody to tell
	}
	return nil
}

// asset serves style and script; they say nothing about the cluster.
func (s *Server) asset(w http.ResponseWriter, r *request) error {
	name := r.PathValue("name")
	content, err := assets.ReadFile("assets/" + name)
	kind := mime.TypeByExtension(path.Ext(name))
	if err != nil || path.Ext(name) == ".html" {
		return api.Errorf(api.CodeNotFound, "no such asset")
	}
	w.Header().Set("Content-Type", kind)
	_, err = w.Write(content)
	if err != nil {
		return fmt.Errorf("sending %s: %w", name, err)
	}
	return nil
}
