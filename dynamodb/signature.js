// Who asks, as DynamoDB wants to know it: AWS Signature Version 4 in the header `Authorization`, with the one key that the
// emulator was given. Pure.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html

'use strict'

const { createHash, createHmac, timingSafeEqual } = require('node:crypto')

const LATE = 5 * 60_000 // ms that a request may be older, or newer, than this machine's clock: as at AWS
const SIGNED = ['host', 'x-amz-date', 'x-amz-target'] // what a signature has to be about, besides the body
const AUTHORIZATION = new RegExp(
  '^AWS4-HMAC-SHA256 +Credential=([^/, ]+)/(\\d{8})/([a-z0-9-]+)/dynamodb/aws4_request, *' +
  'SignedHeaders=([a-z0-9;-]+), *Signature=([0-9a-f]{64})$')

const sha256 = (data) => createHash('sha256').update(data).digest('hex')
const hmac = (key, data) => createHmac('sha256', key).update(data).digest()

// Why a request is refused: `{ type, message }` with DynamoDB's names and words for it; null where it is not.
// `key` is `{ id, secret }`, `now` the time in ms.
function refusal ({ method, url, headers }, body, key, now) {
  const proof = headers.authorization
  if (!proof) return refused('MissingAuthenticationTokenException', 'Request is missing Authentication Token')
  const [, id, day, region, names, signature] = AUTHORIZATION.exec(proof) ?? []
  const signed = names?.split(';') ?? []
  const missing = SIGNED.filter((name) => !signed.includes(name) || !(name in headers))
  if (!signature || missing.length || signed.some((name) => !(name in headers))) {
    return refused('IncompleteSignatureException', `Authorization is no signature of ${SIGNED.join(', ')} for dynamodb`)
  }
  if (id !== key.id) return refused('UnrecognizedClientException', 'The security token included in the request is invalid.')
  const stamp = headers['x-amz-date']
  const scope = `${day}/${region}/dynamodb/aws4_request`
  const lines = signed.map((name) => `${name}:${headers[name].trim().replace(/ +/g, ' ')}\n`)
  const canonical = [method, '/', '', lines.join(''), names, sha256(body)].join('\n')
  const text = ['AWS4-HMAC-SHA256', stamp, scope, sha256(canonical)].join('\n')
  const signing = [day, region, 'dynamodb', 'aws4_request'].reduce(hmac, `AWS4${key.secret}`)
  if (url !== '/' || !stamp.startsWith(day) || !timingSafeEqual(hmac(signing, text), Buffer.from(signature, 'hex'))) {
    return refused('InvalidSignatureException', 'The request signature we calculated does not match the signature you ' +
      'provided. Check your AWS Secret Access Key and signing method.')
  }
  const [, year, month, date, hours, minutes, seconds] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(stamp) ?? []
  // Written so that a time which is none (NaN) is refused.
  if (!(Math.abs(now - Date.UTC(year, month - 1, date, hours, minutes, seconds)) <= LATE)) {
    return refused('InvalidSignatureException', `Signature expired: ${stamp} is not within 5 minutes of this clock`)
  }
  return null
}

const refused = (type, message) => ({ type, message })

module.exports = { refusal }
