/** Faults of Express and of its body parser as ours: they are the client's, not 500s. Their messages are not passed on. */
import { asGatewayError, GatewayError } from '../../core/errors.ts';

function kindOf(thrown: unknown): { readonly type: string; readonly status: number } {
  if (typeof thrown !== 'object' || thrown === null) return { type: '', status: 0 };
  const type = 'type' in thrown && typeof thrown.type === 'string' ? thrown.type : '';
  const status = 'status' in thrown && typeof thrown.status === 'number' ? thrown.status : 0;
  return { type, status };
}

/** Any thrown value as a GatewayError. */
export function errorFromHttp(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  const { type, status } = kindOf(thrown);
  switch (type) {
    case 'entity.too.large':
      return new GatewayError('too-large', 'the body is larger than this gateway takes');
    case 'encoding.unsupported':
      return new GatewayError('unsupported-media-type', 'Content-Encoding must be identity, gzip, deflate or br');
    case 'request.aborted':
    case 'request.size.invalid':
      return new GatewayError('invalid-syntax', 'the body ended too early');
  }
  if (status === 413) return new GatewayError('too-large', 'the body is larger than this gateway takes');
  if (status >= 400 && status < 500) return new GatewayError('invalid-syntax', 'the request cannot be read');
  return asGatewayError(thrown);
}
