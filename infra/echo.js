// Answers with what API Gateway and the authorizer say about the client's certificate.
exports.handler = async (event) => {
  const context = event.requestContext;
  const http = event.version === '2.0';
  const certificate = (http ? context.authentication : context.identity)?.clientCert ?? {};
  return {
    statusCode: 200,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store' },
    body: JSON.stringify({
      api: http ? 'http' : 'rest',
      authorizer: (http ? context.authorizer?.lambda : context.authorizer) ?? {},
      certificate: { subject: certificate.subjectDN, issuer: certificate.issuerDN, validity: certificate.validity },
    }),
  };
};
