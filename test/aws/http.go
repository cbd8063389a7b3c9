package aws

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/google/uuid"
)

// apiVersion is the only one of EC2's query API that is in use.
const apiVersion = "2016-11-15"

// request is one call, with who makes it.
type request struct {
	query
	action string
	who    Credentials
}

// action of EC2. It first says what is wrong with the parameters and what may be done to whom, then does it.
type action struct {
	// parse looks at the parameters, and returns what is to be allowed and done. It changes nothing.
	parse    func(c *Cloud, r *request) plan
	mutating bool
}

// plan of one call: the permissions that it needs, then what it does.
type plan struct {
	needs []permission
	do    func() (any, error)
}

var actions = map[string]action{
	"CreateVolume":                 {(*Cloud).createVolume, true},
	"AttachVolume":                 {(*Cloud).attachVolume, true},
	"DetachVolume":                 {(*Cloud).detachVolume, true},
	"DeleteVolume":                 {(*Cloud).deleteVolume, true},
	"CreateTags":                   {(*Cloud).createTags, true},
	"ModifyInstanceAttribute":      {(*Cloud).modifyInstanceAttribute, true},
	"DescribeVolumes":              {(*Cloud).describeVolumes, false},
	"DescribeVolumesModifications": {(*Cloud).describeVolumesModifications, false},
	"DescribeInstances":            {(*Cloud).describeInstances, false},
	"DescribeInstanceTypes":        {(*Cloud).describeInstanceTypes, false},
}

// ServeHTTP answers a call of the query API.
func (c *Cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		return // the caller is gone
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		write(w, "", uuid.NewString(), nil, fault400("MalformedQueryString", "The query string contains a syntax error"))
		return
	}
	if r.Method == http.MethodGet {
		form = r.URL.Query()
	}
	call := &request{query: query{form: form}, action: form.Get("Action")}
	id := uuid.NewString()
	answer, outcome, err := c.serve(call, r, body, id)
	if pause := outcome.delay + c.config.Takes.Call; pause > 0 {
		select {
		case <-time.After(pause):
		case <-r.Context().Done():
			return
		}
	}
	if outcome.hang {
		<-r.Context().Done()
		return
	}
	if outcome.drop {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Date", outcome.date.UTC().Format(http.TimeFormat))
	write(w, call.action, id, answer, err)
}

// serve does everything that has an effect, at once.
func (c *Cloud) serve(call *request, r *http.Request, body []byte, id string) (answer any, outcome outcome, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle()
	record := Call{At: time.Now(), Action: call.action, RequestID: id, Params: call.form}
	defer func() {
		if api := (*apiError)(nil); errors.As(err, &api) {
			record.Code = api.Code
		}
		record.Lost = outcome.hang || outcome.drop
		c.record(record)
	}()
	outcome.date = time.Now().Add(c.skew)
	does, known := actions[call.action]
	if !known || call.text("Version") != apiVersion {
		return nil, outcome, fault400("InvalidAction", "The action %s is not valid for this web service.", call.action)
	}
	if call.who, err = c.authenticate(r, body); err != nil {
		return nil, outcome, err
	}
	record.Instance, record.Role = call.who.Instance, call.who.Role
	hit := c.hit(call)
	hit.befalls(&outcome)
	if err := hit.before(); err != nil {
		return nil, outcome, err
	}
	if outcome.before() {
		return nil, outcome, nil
	}
	if err := c.throttle(call.action); err != nil {
		return nil, outcome, err
	}
	plan := does.parse(c, call)
	if call.bad != nil {
		return nil, outcome, call.bad
	}
	if err := c.authorize(call, plan.needs); err != nil {
		return nil, outcome, err
	}
	if call.flag("DryRun") {
		return nil, outcome, failed(http.StatusPreconditionFailed, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
	}
	answer, err = plan.do()
	if err == nil && does.mutating {
		record.Effect = true
		if err := c.save(); err != nil {
			return nil, outcome, failed(http.StatusInternalServerError, "InternalError", "%v", err)
		}
		c.settle()
	}
	if err == nil {
		err = hit.after()
	}
	return answer, outcome, err
}

func write(w http.ResponseWriter, action, id string, answer any, err error) {
	w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
	w.Header().Set("Server", "AmazonEC2 (a stand-in)")
	w.Header().Set("X-Amzn-Requestid", id)
	if err != nil {
		api := &apiError{Status: http.StatusInternalServerError, Code: "InternalError", Message: err.Error()}
		errors.As(err, &api)
		w.WriteHeader(api.Status)
		_, _ = fmt.Fprintf(w, "%s<Response><Errors><Error><Code>%s</Code><Message>%s</Message></Error></Errors><RequestID>%s</RequestID></Response>",
			xml.Header, escaped(api.Code), escaped(api.Message), id)
		return
	}
	_, _ = io.WriteString(w, xml.Header)
	_ = xml.NewEncoder(w).EncodeElement(envelope{RequestID: id, Answer: answer}, xml.StartElement{
		Name: xml.Name{Local: action + "Response"},
		Attr: []xml.Attr{{Name: xml.Name{Local: "xmlns"}, Value: "http://ec2.amazonaws.com/doc/" + apiVersion + "/"}},
	})
}

func escaped(text string) string {
	var b xmlText
	_ = xml.EscapeText(&b, []byte(text))
	return string(b)
}

type xmlText []byte

func (t *xmlText) Write(p []byte) (int, error) {
	*t = append(*t, p...)
	return len(p), nil
}
