package objectstore

import (
	"context"
	"fmt"
	"iter"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// List yields the objects whose keys begin with prefix, in the order of their
// keys, a page (up to 1,000) being fetched when it is reached. After an error,
// which is yielded with a zero Object, it ends: what came before is then not all.
// Objects have no VersionID here.
func (b *Bucket) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		var next *string
		for {
			page, err := b.page(ctx, prefix, next)
			if err != nil {
				yield(Object{}, err)
				return
			}
			for _, found := range page.Contents {
				object, err := b.listed(page, found)
				if !yield(object, err) || err != nil {
					return
				}
			}
			if !aws.ToBool(page.IsTruncated) {
				return
			}
			// A server that repeats its token would be asked for ever.
			if aws.ToString(page.NextContinuationToken) == aws.ToString(next) {
				yield(Object{}, b.failure(OpList, prefix)(nil, fmt.Errorf("more was announced without a new continuation token")))
				return
			}
			next = page.NextContinuationToken
		}
	}
}

func (b *Bucket) page(ctx context.Context, prefix string, token *string) (*s3.ListObjectsV2Output, error) {
	call, option := b.call(b.limits.attemptTimeout)
	defer call.end()
	page, err := b.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{
		Bucket:            aws.String(b.name),
		Prefix:            header(prefix),
		ContinuationToken: token,
		// A key may hold characters that XML cannot. Encoded, one such upload
		// does not make the whole listing unreadable.
		EncodingType: types.EncodingTypeUrl,
	}, option)
	if err != nil {
		return nil, b.failure(OpList, prefix)(call, err)
	}
	return page, nil
}

func (b *Bucket) listed(page *s3.ListObjectsV2Output, found types.Object) (Object, error) {
	key := aws.ToString(found.Key)
	if page.EncodingType == types.EncodingTypeUrl {
		decoded, err := url.QueryUnescape(key)
		if err != nil {
			return Object{}, b.failure(OpList, key)(nil, fmt.Errorf("decoding a listed key: %w", err))
		}
		key = decoded
	}
	return Object{
		Key: key, Version: Version(aws.ToString(found.ETag)),
		Size: aws.ToInt64(found.Size), LastModified: aws.ToTime(found.LastModified),
	}, nil
}
