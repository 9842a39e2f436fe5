/** `plumbline audit FILE`: evidence, findings and contradictions of others, one file or a folder of them. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { bytesToHex } from '@noble/hashes/utils.js'
import { expandPath } from '../config/paths.js'
import { peerIdOfPublicKey } from '../crypto/identity.js'
import { UserError } from '../errors.js'
import type { Contradiction } from '../inference/audit/contradiction.js'
import { decodeEvidence, MAX_EVIDENCE_BYTES } from '../inference/audit/evidence.js'
import { closeExecutions, type Executions } from '../inference/audit/executions.js'
import { type Finding, isDrawnBy, MAX_FINDING_BYTES, readFinding } from '../inference/audit/finding.js'
import { saysContradicted } from '../inference/audit/missing.js'
import { type Audited, auditEvidence, type ShelfAuditModules } from '../inference/audit/shelf-audit.js'
import type { OwnAudits } from '../node/inference/own-audits.js'
import {
  type ContradictionsFile,
  type JudgedContradiction,
  judgeContradictions,
  placeOf,
  type Redeemed,
  readContradictionsFile,
} from './audit-contradictions.js'
import { DEFAULT_COLUMNS, labelled, printable, shortId, table, wrap } from './format.js'

/** A finding that its auditor signed. */
export interface JudgedFinding {
  readonly file: string
  readonly auditor: string
  readonly provider: string
  readonly channelId: string
  readonly index: number
  /** Hex; null for one that nobody produced. */
  readonly receipt: string | null
  readonly round: number
  readonly verdict: string
  readonly reason: string
  readonly at: string
  /** Whether the round draws it; null where no server of the beacon gave that round. */
  readonly isDrawn: boolean | null
  /**
   * `proven`: it is about a contradiction that was judged here, and needs no draw. `said`: its auditor says so, and what
   * proves it is not here. Null for any other.
   */
  readonly contradiction: 'proven' | 'said' | null
}

export interface JudgedFiles {
  readonly audited: readonly Audited[]
  readonly findings: readonly JudgedFinding[]
  readonly contradictions: readonly JudgedContradiction[]
}

const EVIDENCE = '.evidence'
const FINDING = '.finding'
/** Of a file that is named; of a folder, which may be an auditor's own, no other lists than of contradictions. */
const LIST = '.json'
const CONTRADICTIONS = 'contradictions.json'
const KINDS = `*${EVIDENCE}, *${FINDING} or *${CONTRADICTIONS}`
/** As many as a node keeps. */
const MOST_FILES = 20_000

export interface JudgingModules {
  readonly audits: Pick<OwnAudits, 'modules'>
  /** What the chain has of contradictions' channels; undefined where it cannot be asked. */
  readonly redeemed: (contradictions: readonly Contradiction[]) => Promise<Redeemed | undefined>
  /** What this node met itself: findings about it need no draw either. */
  readonly own?: readonly ContradictionsFile[]
}

/** @throws UserError NOT_FOUND; BAD_MESSAGE, VERIFICATION_FAILED for a file that is not what it says */
export async function judgeFiles(
  { audits: { modules }, redeemed, own = [] }: JudgingModules,
  path: string,
  signal: AbortSignal,
): Promise<JudgedFiles> {
  const audited: Audited[] = []
  const findings: JudgedFinding[] = []
  const given: ContradictionsFile[] = []
  let executions: Executions | undefined
  try {
    for (const file of await filesOf(expandPath(path))) {
      signal.throwIfAborted()
      if (file.endsWith(LIST)) given.push(await readContradictionsFile(file, false))
      else if (file.endsWith(FINDING)) {
        const finding = await readAs(file, MAX_FINDING_BYTES, readFinding)
        findings.push(await judgeFinding(modules, file, finding, signal))
      } else {
        const evidence = await readAs(file, MAX_EVIDENCE_BYTES, decodeEvidence)
        executions ??= await modules.openExecutions()
        audited.push(await auditEvidence(modules, executions, evidence, signal))
      }
    }
  } finally {
    if (executions !== undefined) await closeExecutions(executions)
  }
  const chain = await redeemed(given.flatMap((each) => each.contradictions))
  const contradictions = given.flatMap((each) => judgeContradictions(each, chain))
  const proven = new Set(
    [...contradictions, ...own.flatMap((each) => judgeContradictions(each, undefined))]
      .filter(({ verdict }) => verdict === 'bad')
      .map(({ shown, ...place }) => placeOf({ ...place, receipt: shown })),
  )
  const explained = findings.map((each) =>
    proven.has(placeOf(each)) && each.verdict === 'bad'
      ? { ...each, contradiction: 'proven' as const }
      : each,
  )
  return { audited, findings: explained, contradictions }
}

/** The file itself, or what a folder holds of all kinds. */
async function filesOf(path: string): Promise<readonly string[]> {
  const status = await stat(path).catch(() => undefined)
  if (status?.isDirectory() !== true) return [path]
  const names = (await readdir(path)).filter((name) =>
    [EVIDENCE, FINDING, CONTRADICTIONS].some((ending) => name.endsWith(ending)),
  )
  if (names.length > MOST_FILES)
    throw new UserError(`${path} has ${names.length} files`, {
      code: 'BAD_ARGUMENT',
      remedy: `name a folder with at most ${MOST_FILES}`,
    })
  if (names.length > 0) return names.sort().map((name) => join(path, name))
  throw new UserError(`there are no files ${KINDS} in ${path}`, {
    code: 'NOT_FOUND',
    remedy: 'name one that has some',
  })
}

/** What does not read as it should is told with the name of its file. */
async function readAs<T>(path: string, mostBytes: number, read: (bytes: Uint8Array) => T): Promise<T> {
  const bytes = await readBounded(path, mostBytes)
  try {
    return read(bytes)
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    const isKind = [EVIDENCE, FINDING].some((ending) => path.endsWith(ending))
    throw new UserError(isKind ? `${path}: ${error.message}` : `${path} is no evidence of a job`, {
      code: error.code,
      remedy: isKind ? 'ask its maker for it again' : `name a file ${KINDS}, or a folder of them`,
    })
  }
}

async function readBounded(path: string, mostBytes: number): Promise<Uint8Array> {
  const status = await stat(path).catch(() => undefined)
  if (status?.isFile() !== true)
    throw new UserError(`there is no file ${path}`, {
      code: 'NOT_FOUND',
      remedy: `name a file ${KINDS}, or a folder of them`,
    })
  if (status.size > mostBytes)
    throw new UserError(`${path} has ${status.size} bytes: too many for what it should be`, {
      code: 'BAD_ARGUMENT',
      remedy: `at most ${mostBytes} are read`,
    })
  return new Uint8Array(await readFile(path))
}

async function judgeFinding(
  { randomness }: Pick<ShelfAuditModules, 'randomness'>,
  file: string,
  finding: Finding,
  signal: AbortSignal,
): Promise<JudgedFinding> {
  const { auditor, provider, channelId, index, receipt, round, verdict, reason, at } = finding
  return {
    file,
    auditor: peerIdOfPublicKey(auditor),
    provider: peerIdOfPublicKey(provider),
    channelId: bytesToHex(channelId),
    index,
    receipt: receipt.some((byte) => byte !== 0) ? bytesToHex(receipt) : null,
    round,
    verdict,
    reason,
    at: new Date(at * 1000).toISOString(),
    isDrawn: await isDrawn(),
    contradiction: saysContradicted(finding) ? 'said' : null,
  }

  async function isDrawn(): Promise<boolean | null> {
    try {
      return isDrawnBy(await randomness(round, signal), finding)
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof UserError && error.code === 'UNAVAILABLE') return null
      throw error
    }
  }
}

/** A contradiction is proven without any draw; one that is only said is worth its auditor's word. */
const drawnOf = ({ contradiction, isDrawn }: JudgedFinding): string =>
  contradiction === 'proven'
    ? 'not needed'
    : contradiction === 'said' && isDrawn !== true
      ? 'by word'
      : (DRAWN.get(isDrawn) ?? '')
const DRAWN = new Map([
  [true, 'yes'],
  [false, 'no'],
  [null, 'no beacon'],
])
const COLUMNS = [
  { title: 'auditor', value: ({ auditor }: JudgedFinding) => shortId(auditor) },
  { title: 'provider', value: ({ provider }: JudgedFinding) => shortId(provider) },
  { title: 'receipt', align: 'right' as const, value: ({ index }: JudgedFinding) => String(index) },
  { title: 'drawn', value: drawnOf },
  { title: 'verdict', value: ({ verdict }: JudgedFinding) => verdict },
]

export function judgedText(findings: readonly JudgedFinding[]): readonly string[] {
  if (findings.length === 0) return []
  const reasons = findings.flatMap(({ index, reason }) =>
    reason === '' ? [] : [labelled(String(index), printable(reason), REASON_INDENT)],
  )
  const isSaid = findings.some((each) => drawnOf(each) === 'by word')
  return [
    table(findings, COLUMNS),
    ...(reasons.length === 0 ? [] : [reasons.join('\n')]),
    ...(isSaid ? [wrap(BY_WORD, DEFAULT_COLUMNS).join('\n')] : []),
  ]
}
const BY_WORD =
  "By word: a receipt that contradicts its provider's redemption needs no draw, but what proves it is not here. Ask " +
  `the auditor for its evidence/${CONTRADICTIONS}, and give that as well.`
const REASON_INDENT = 14
