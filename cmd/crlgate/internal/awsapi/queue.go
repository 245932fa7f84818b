package awsapi

import (
	"crypto/md5"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Queue is a queue in memory. Its zero value is empty.
type Queue struct {
	mu       sync.Mutex
	messages []*message
}

type message struct {
	id, receipt string
	body        []byte
	sent        time.Time
	hidden      time.Time // until then
	received    int
}

// Send puts a message into the queue.
func (q *Queue) Send(body []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.messages = append(q.messages, &message{id: rand.Text(), body: body, sent: time.Now()})
}

// Bodies returns what is in the queue.
func (q *Queue) Bodies() [][]byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	var out [][]byte
	for _, m := range q.messages {
		out = append(out, m.body)
	}
	return out
}

// request is what the calls have in common (Amazon SQS API Reference, AWS JSON
// protocol).
type request struct {
	QueueURL            string `json:"QueueUrl"`
	ReceiptHandle       string
	MaxNumberOfMessages int
	VisibilityTimeout   *int
}

// sqs answers the calls of SQS.
func (s *Server) sqs(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, "RequestTooLarge", err.Error())
		return
	}
	var in request
	if err := json.Unmarshal(body, &in); err != nil {
		refuse(w, http.StatusBadRequest, "InvalidRequest", err.Error())
		return
	}
	q := s.queues[path.Base(in.QueueURL)]
	if q == nil {
		refuse(w, http.StatusBadRequest, "com.amazonaws.sqs#QueueDoesNotExist", "The specified queue does not exist.")
		return
	}
	var out any = struct{}{}
	switch call := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS."); call {
	case "ReceiveMessage":
		out = q.receive(in, time.Now())
	case "DeleteMessage":
		q.delete(in.ReceiptHandle)
	case "ChangeMessageVisibility":
		q.hide(in, time.Now())
	case "GetQueueAttributes":
		out = map[string]any{"Attributes": map[string]string{"ApproximateNumberOfMessages": strconv.Itoa(len(q.Bodies()))}}
	default:
		refuse(w, http.StatusBadRequest, "com.amazonaws.sqs#UnsupportedOperation", "the local stack does not know "+call)
		return
	}
	answer, err := json.Marshal(out)
	if err != nil {
		refuse(w, http.StatusInternalServerError, "InternalFailure", err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	_, _ = w.Write(answer) // if it fails, who asked is gone
}

// receive hands out messages that are not hidden, and hides them.
func (q *Queue) receive(in request, now time.Time) any {
	q.mu.Lock()
	defer q.mu.Unlock()
	type received struct {
		MessageID     string `json:"MessageId"`
		ReceiptHandle string
		MD5OfBody     string
		Body          string
		Attributes    map[string]string
	}
	list := []received{}
	hide := 30 * time.Second
	if in.VisibilityTimeout != nil {
		hide = time.Duration(*in.VisibilityTimeout) * time.Second
	}
	for _, m := range q.messages {
		if len(list) == max(in.MaxNumberOfMessages, 1) || now.Before(m.hidden) {
			continue
		}
		m.hidden, m.receipt = now.Add(hide), rand.Text()
		m.received++
		sum := md5.Sum(m.body)
		list = append(list, received{m.id, m.receipt, hex.EncodeToString(sum[:]), string(m.body), map[string]string{
			"SentTimestamp": strconv.FormatInt(m.sent.UnixMilli(), 10), "ApproximateReceiveCount": strconv.Itoa(m.received),
		}})
	}
	return map[string]any{"Messages": list}
}

func (q *Queue) delete(receipt string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.messages = slices.DeleteFunc(q.messages, func(m *message) bool { return receipt != "" && m.receipt == receipt })
}

func (q *Queue) hide(in request, now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range q.messages {
		if m.receipt == in.ReceiptHandle && in.VisibilityTimeout != nil {
			m.hidden = now.Add(time.Duration(*in.VisibilityTimeout) * time.Second)
		}
	}
}
