// Answers with what API Gateway and the authorizer say about the client's certificate. Headers are shown for the HTTP
// API alone: its parameter mapping sets them. A REST API hands a function the client's own, which prove nothing.
exports.handler = async (event) => {
  const context = event.requestContext;
  const http = event.version === '2.0';
  const certificate = (http ? context.authentication : context.identity)?.clientCert ?? {};
  const headers = Object.entries(http ? event.headers ?? {} : {}).filter(([name]) => name.startsWith('x-client-cert-'));
  return {
    statusCode: 200,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store' },
    body: JSON.stringify({
      api: http ? 'http' : 'rest',
      authorizer: (http ? context.authorizer?.lambda : context.authorizer) ?? {},
      headers: Object.fromEntries(headers),
      certificate: { subject: certificate.subjectDN, issuer: certificate.issuerDN, validity: certificate.validity },
    }),
  };
};
