// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"net/http"

	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// decodable leaves an object that can't be decoded, such as one with a word for a quantity, to the API server. Defaults come
// before the schema is looked at, and only the schema tells where in the object the mistake is; one that it doesn't know
// of is refused by the validating webhook, which comes after it.
func decodable(defaulter *admission.Webhook) *admission.Webhook {
	inner := defaulter.Handler
	defaulter.Handler = admission.HandlerFunc(func(ctx context.Context, request admission.Request) admission.Response {
		response := inner.Handle(ctx, request)
		if !response.Allowed && response.Result != nil && response.Result.Code == http.StatusBadRequest {
			return admission.Allowed("")
		}
		return response
	})
	return defaulter
}
