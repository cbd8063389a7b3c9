package aws

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// Attach to this instance under a free name.
func (e *EC2) Attach(ctx context.Context, id string) (Attachment, error) {
	const op = "AttachVolume"
	self, err := e.self(ctx, op)
	if err != nil {
		return Attachment{}, err
	}
	for range namesTried {
		name, err := e.takeName(ctx, self.ID)
		if err != nil {
			return Attachment{}, err
		}
		out, err := ask(ctx, e, op, e.writes, (*ec2.Client).AttachVolume,
			&ec2.AttachVolumeInput{VolumeId: aws.String(id), InstanceId: aws.String(self.ID), Device: aws.String(name)})
		switch {
		case err == nil:
			return Attachment{Instance: self.ID, Device: name, State: string(out.State), DeleteOnTermination: aws.ToBool(out.DeleteOnTermination), Since: aws.ToTime(out.AttachTime)}, nil
		case nameTaken(err): // by what EC2 doesn't list: the image's own mapping, an attachment that ended badly
			e.names.bad(name)
			continue
		}
		if !errors.Is(err, ErrUnavailable) { // else it may be attached under that name by now
			e.names.free(name)
		}
		if errors.Is(err, ErrConflict) {
			return e.attachedAlready(ctx, id, self.ID, err)
		}
		return Attachment{}, err
	}
	return Attachment{}, &Error{Op: op, Message: "every device name that was tried is in use", Kind: ErrLimit}
}

// namesTried before giving up for now; those that are bad aren't tried again.
const namesTried = 5

// nameTaken can be told by words alone; all that follows from it is that another name is tried.
func nameTaken(err error) bool {
	var answer *Error
	return errors.As(err, &answer) && answer.Code == "InvalidParameterValue" && strings.Contains(strings.ToLower(answer.Message), "already in use")
}

// attachedAlready looks what a refused volume is: an attach that wasn't answered may have been done.
func (e *EC2) attachedAlready(ctx context.Context, id, self string, refusal error) (Attachment, error) {
	seen, err := e.Describe(ctx, id)
	if err != nil {
		return Attachment{}, err
	}
	v, ok := seen[id]
	if !ok {
		return Attachment{}, refusal
	}
	if a, here := v.On(self); here && (a.State == Attaching || a.State == Attached) {
		return a, nil
	}
	for _, a := range v.Attachments {
		if a.State != Detached {
			return Attachment{}, conflict("AttachVolume", "%s is %s at instance %s", id, a.State, a.Instance)
		}
	}
	return Attachment{}, refusal
}

// Detach from this instance. There is no force: what is open stays.
func (e *EC2) Detach(ctx context.Context, id string) error {
	const op = "DetachVolume"
	self, err := e.self(ctx, op)
	if err != nil {
		return err
	}
	_, err = ask(ctx, e, op, e.writes, (*ec2.Client).DetachVolume, &ec2.DetachVolumeInput{VolumeId: aws.String(id), InstanceId: aws.String(self.ID)})
	if !errors.Is(err, ErrConflict) && !errors.Is(err, ErrGone) {
		return err
	}
	seen, looked := e.Describe(ctx, id)
	if looked != nil {
		return looked
	}
	v, there := seen[id]
	if a, here := v.On(self.ID); there && here && a.State != Detaching {
		return err
	}
	return nil
}

// SetDeleteOnTermination of an attached volume.
func (e *EC2) SetDeleteOnTermination(ctx context.Context, id string, on bool) error {
	const op = "ModifyInstanceAttribute"
	self, err := e.self(ctx, op)
	if err != nil {
		return err
	}
	seen, err := e.Describe(ctx, id)
	if err != nil {
		return err
	}
	a, here := seen[id].On(self.ID)
	switch {
	case !here || a.State != Attached:
		return conflict(op, "%s isn't attached to this instance", id)
	case a.DeleteOnTermination == on:
		return nil
	}
	_, err = ask(ctx, e, op, e.writes, (*ec2.Client).ModifyInstanceAttribute, &ec2.ModifyInstanceAttributeInput{InstanceId: aws.String(self.ID),
		BlockDeviceMappings: []types.InstanceBlockDeviceMappingSpecification{{DeviceName: aws.String(a.Device),
			Ebs: &types.EbsInstanceBlockDeviceSpecification{VolumeId: aws.String(id), DeleteOnTermination: aws.Bool(on)}}}})
	return err
}
