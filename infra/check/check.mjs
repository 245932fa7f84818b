// Checks synthesized CloudFormation templates against rules that others wrote: cdk-nag's AwsSolutions and
// Serverless packs, and AWS Control Tower's proactive controls as cfn-guard evaluates them.
//
//   node check.mjs CDK_OUT_FOLDER...
//
// A finding may be suppressed only on the resource it is about, in its metadata
//   cdk_nag: { rules_to_suppress: [{ id, reason, applies_to? }] }
// where applies_to limits the suppression to findings that match one of its expressions; a rule that reports
// several findings on one resource (IAM wildcards) must be limited so. The code that makes a resource writes it.
// A suppression without a reason, and one that suppresses nothing, is itself a finding. Exit 0: nothing is
// left; 1: something is; 2: the check could not run.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, platform, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);

/** Findings of cdk-nag's packs: [{ id, finding, resource, text }]. */
function nag(file) {
  const { App, Stack } = require('aws-cdk-lib');
  const { CfnInclude } = require('aws-cdk-lib/cloudformation-include');
  const { AwsSolutionsChecks, ServerlessChecks } = require('cdk-nag');
  const outdir = mkdtempSync(join(tmpdir(), 'crlgate-check-'));
  try {
    const stack = new Stack(new App({ outdir, analyticsReporting: false }), 'Check');
    new CfnInclude(stack, 'Template', { templateFile: file });
    return [new AwsSolutionsChecks(stack), new ServerlessChecks(stack)].flatMap((pack) =>
      pack.validateScope(stack).violations.flatMap((violation) => {
        const [, id, , finding] = /^([^[]+)(\[(.*)\])?$/s.exec(violation.ruleName);
        return violation.violatingResources.map((r) => ({
          id, finding, resource: r.constructPath.split('/').pop(), text: violation.description,
        }));
      }));
  } finally {
    rmSync(outdir, { recursive: true, force: true });
  }
}

/** Findings of Control Tower's rules: [{ id, resource, text }]. */
function guard(file) {
  const root = dirname(require.resolve('@cdklabs/cdk-validator-cfnguard/package.json'));
  const os = { linux: 'ubuntu', darwin: 'macos' }[platform()];
  const cpu = { x64: 'x86_64', arm64: 'aarch64' }[arch()];
  const binary = join(root, 'bin', String(os), String(cpu), 'cfn-guard');
  if (!existsSync(binary)) {
    throw new Error(`there is no cfn-guard for ${platform()} on ${arch()}: run the check on Linux or macOS`);
  }
  const args = ['validate', '--rules', join(root, 'rules/control-tower/cfn-guard'), '--data', file,
    '--output-format', 'json', '--show-summary', 'none', '--structured'];
  let output;
  try {
    output = execFileSync(binary, args, { encoding: 'utf8', maxBuffer: 1 << 28 });
  } catch (error) {
    if (error.status !== 19) throw error; // 19: there are findings
    output = error.stdout;
  }
  return JSON.parse(output).flatMap((result) => result.not_compliant.flatMap(({ Rule: rule }) => {
    const text = JSON.stringify(rule);
    const [, id, title] = /\[(CT\.[A-Z0-9]+\.PR\.\d+)\]:? (.*?)\\n/.exec(text) ?? [, rule.name, rule.name];
    const resources = new Set([...text.matchAll(/"path":"\/Resources\/([^/"]+)/g)].map((m) => m[1]));
    if (resources.size === 0) throw new Error(`cfn-guard names no resource for ${rule.name}`);
    return [...resources].map((resource) => ({ id, resource, text: title }));
  }));
}

/** What remains of findings after the suppressions in the template, and what is wrong with those. */
export function judge(template, findings) {
  const left = [];
  const suppressions = Object.entries(template.Resources).flatMap(([resource, { Metadata: metadata }]) =>
    (metadata?.cdk_nag?.rules_to_suppress ?? []).flatMap(({ id, reason, applies_to: patterns }) =>
      (patterns ?? [undefined]).map((pattern) => ({ resource, id, reason, pattern, used: false }))));
  let suppressed = 0;
  for (const f of findings) {
    const match = suppressions.filter((s) => s.resource === f.resource && s.id === f.id &&
      (f.finding === undefined ? s.pattern === undefined : s.pattern !== undefined && new RegExp(s.pattern).test(f.finding)));
    match.forEach((s) => { s.used = true; });
    if (match.length > 0) suppressed++;
    else left.push(`${f.resource}: ${f.id}${f.finding ? `[${f.finding}]` : ''}: ${f.text}`);
  }
  for (const s of suppressions) {
    const name = `${s.resource}: the suppression of ${s.id}${s.pattern ? ` for ${s.pattern}` : ''}`;
    if (!s.reason || s.reason.length < 20) left.push(`${name} has no reason`);
    if (!s.used) left.push(`${name} suppresses nothing: remove it`);
  }
  return { left, suppressed };
}

/** Checks one template file. */
export function check(file) {
  const template = JSON.parse(readFileSync(file, 'utf8'));
  return { resources: Object.keys(template.Resources).length, ...judge(template, [...nag(file), ...guard(file)]) };
}

function main(folders) {
  const files = folders.flatMap((folder) =>
    readdirSync(folder).filter((name) => name.endsWith('.template.json')).map((name) => join(folder, name)));
  if (files.length === 0) throw new Error('no *.template.json to check: give folders that cdk synth wrote');
  let failed = false;
  for (const file of files) {
    const { resources, left, suppressed } = check(file);
    console.log(`${file}: ${resources} resources, ${suppressed} findings suppressed with a reason, ${left.length} left`);
    left.forEach((line) => console.log(`  ${line}`));
    failed ||= left.length > 0;
  }
  return failed ? 1 : 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    process.exitCode = main(process.argv.slice(2));
  } catch (error) {
    console.error(`check.mjs: ${error.message}`);
    process.exitCode = 2;
  }
}
