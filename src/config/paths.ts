/** Where things lie in the data directory. One place, so that `doctor`, backups and the daemon agree. */
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'

export interface DataPaths {
  readonly dataDir: string
  readonly config: string
  /** Web3 Secret Storage v3, mode 0600. */
  readonly key: string
  /** level database. */
  readonly store: string
  /** libp2p's own datastore (peers' addresses). */
  readonly peerStore: string
  readonly controlSocket: string
  readonly registry: string
  readonly transcripts: string
  /** level database of finished challenges, held by nobody for long. */
  readonly history: string
  /** Proofs of faults that this node met. */
  readonly faults: string
  /** What belongs to receipts of jobs that were bought, for audits. */
  readonly boughtEvidence: string
  /** The same of jobs that were sold, for auditors that ask. */
  readonly soldEvidence: string
  /** The same of jobs that failed an audit of this node's as an auditor, for others to judge. */
  readonly auditedEvidence: string
  /** What providers refused to show to this node as an auditor, so far. */
  readonly auditRefusals: string
  /** Until when providers had shown an auditor everything. */
  readonly auditAnswers: string
  /** What providers signed against their own redemptions, as this node met it as an auditor. */
  readonly auditContradictions: string
  /** What audits found, this node's own and those of auditors that it trusts. */
  readonly findings: string
  /** Providers that cheated this node's purchases. */
  readonly leftProviders: string
  /** What they cost, by the hour. */
  readonly spending: string
  /** Channels that were opened for them in the last day. */
  readonly openings: string
}

/** `~` and `~/x` are the home directory; everything else is relative to the working directory. */
export function expandPath(path: string): string {
  return path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : resolve(path)
}

export const DEFAULT_DATA_DIR = '~/.plumbline'
export const CONFIG_FILE_NAME = 'config.yaml'

export function dataPaths(dataDir: string): DataPaths {
  const root = expandPath(dataDir)
  return {
    dataDir: root,
    config: join(root, CONFIG_FILE_NAME),
    key: join(root, 'key.json'),
    store: join(root, 'store'),
    peerStore: join(root, 'peers'),
    controlSocket: join(root, 'control.sock'),
    registry: join(root, 'registry.json'),
    transcripts: join(root, 'transcripts'),
    history: join(root, 'history'),
    faults: join(root, 'faults'),
    boughtEvidence: join(root, 'evidence', 'bought'),
    soldEvidence: join(root, 'evidence', 'sold'),
    auditedEvidence: join(root, 'evidence', 'audited'),
    auditRefusals: join(root, 'evidence', 'refusals.json'),
    auditAnswers: join(root, 'evidence', 'answers.json'),
    auditContradictions: join(root, 'evidence', 'contradictions.json'),
    findings: join(root, 'findings'),
    leftProviders: join(root, 'purchases', 'left.json'),
    spending: join(root, 'purchases', 'spending.json'),
    openings: join(root, 'purchases', 'openings.json'),
  }
}
