// Tests that the check finds what it should: run by `make check-infra`.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { check, judge } from './check.mjs';

const folder = mkdtempSync(join(tmpdir(), 'crlgate-check-test-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function checked(resources) {
  const file = join(folder, 'Test.template.json');
  writeFileSync(file, JSON.stringify({ Resources: resources }));
  return check(file).left;
}

test('an open bucket is found by both rule sets', () => {
  const left = checked({ Open: { Type: 'AWS::S3::Bucket' } });
  assert.ok(left.some((line) => line.startsWith('Open: AwsSolutions-S1:')), left.join('\n'));
  assert.ok(left.some((line) => line.startsWith('Open: CT.S3.PR.1:')), left.join('\n'));
});

test('a function without tracing is found by the Serverless pack', () => {
  const left = checked({
    Function: {
      Type: 'AWS::Lambda::Function',
      Properties: { Runtime: 'provided.al2023', Handler: 'bootstrap', Role: 'arn:aws:iam::111122223333:role/r', Code: { ZipFile: 'x' } },
    },
  });
  assert.ok(left.some((line) => line.startsWith('Function: Serverless-LambdaTracing:')), left.join('\n'));
});

const reason = 'a reason that says enough';
const finding = { id: 'R-1', resource: 'A', text: 'text' };
const template = (...rules) => ({ Resources: { A: { Metadata: { cdk_nag: { rules_to_suppress: rules } } }, B: {} } });

test('a suppression counts for its own resource and rule only', () => {
  const { left, suppressed } = judge(template({ id: 'R-1', reason }), [finding, { ...finding, resource: 'B' }, { ...finding, id: 'R-2' }]);
  assert.equal(suppressed, 1);
  assert.deepEqual(left, ['B: R-1: text', 'A: R-2: text']);
});

test('a suppression needs a reason and a finding', () => {
  assert.match(judge(template({ id: 'R-1' }), [finding]).left.join(), /has no reason/);
  assert.match(judge(template({ id: 'R-1', reason }), []).left.join(), /suppresses nothing/);
});

test('a finding among several is suppressed by expression only', () => {
  const wild = { ...finding, finding: 'Resource::*' };
  assert.equal(judge(template({ id: 'R-1', reason }), [wild]).left.length, 2); // the finding, and a useless suppression
  assert.deepEqual(judge(template({ id: 'R-1', reason, applies_to: ['^Resource::\\*$'] }), [wild]).left, []);
  assert.equal(judge(template({ id: 'R-1', reason, applies_to: ['^Action::'] }), [wild]).left.length, 2);
});
