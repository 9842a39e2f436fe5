/** A row of the table of attacks: what is kept of its runs, what it must keep to, and how it reads. */

/** An honest prover's guarantee, whatever up to f challengers do. */
const LEAST_HONEST_PCT = 85
/** Of quick nothing is promised to honest provers; of provers together, no more than that they are not credited twice. */
const PROMISING = ['standard', 'uplink']
/** Provers that hold back alone gain so much at most (docs/protocol.md section 9.1). */
const MOST_CREDIT = 1.25
/** RFC 9000 section 8.1; the design's limit for anybody who did not consent. */
const MOST_REFLECTED = 3
/** Counted by corrupt daemons, and never to be more than 0. */
const NEVER = [
  'plans taken twice',
  'honest votes given twice',
  'honest results signed twice',
  'replayed messages accepted',
  'honest testimonies about a second list',
]

const round = (value, digits = 2) => Number(value.toFixed(digits))

/** All runs of one attack in one laboratory. */
export function condense(attack, rateMbps, { runs, failures }) {
  const share = (mbps, digits) => round((100 * mbps) / rateMbps, digits)
  return {
    attack,
    rateMbps,
    runs: runs.map((run) => ({
      estimatePct: share(run.estimateMbps),
      guaranteedPct: round(run.guaranteedPct),
      boundPct: share(run.boundMbps, 3),
      withinBound: run.withinBound,
      slotsPct: run.slots.map(({ valueMbps }) => share(valueMbps, 1)),
      bytes: run.interfaceBytes,
      seconds: round(run.durationMs / 1000, 1),
      tauMs: run.tauMs,
      repeats: run.repeats,
      flags: run.quality,
      observed: run.observed,
    })),
    failures,
  }
}

/** The same of provers measured together: what is said of all of them, and the verdict on their link among the flags. */
export function condenseJoint(attack, rateMbps, { runs, failures }) {
  const share = (mbps) => round((100 * mbps) / rateMbps)
  return {
    attack,
    rateMbps,
    runs: runs.map(({ sharedLink, results, guaranteedPct, boundMbps, withinBound }) => ({
      estimatePct: share(sharedLink.estimateMbps),
      guaranteedPct: round(guaranteedPct),
      boundPct: round((100 * boundMbps) / rateMbps, 3),
      withinBound,
      creditPct: share(sharedLink.creditMbps),
      slotsPct: [],
      // Of each alone: what they moved together is not told.
      bytes: results.reduce((sum, each) => sum + each.trafficBytes, 0),
      seconds: round(results.reduce((sum, each) => sum + each.durationMs, 0) / 1000, 1),
      tauMs: results[0]?.tauMs,
      repeats: 0,
      flags: [`link: ${sharedLink.verdict}`],
    })),
    failures,
  }
}

const allRuns = (records) => records.flatMap(({ runs }) => runs)
const failuresOf = (records) => records.flatMap(({ failures }) => failures)
const countOf = (runs, name) => runs.reduce((sum, { observed }) => sum + (observed?.counts[name] ?? 0), 0)

/** What of its limits the runs of one attack missed, in words. */
export function limitsOf(records, parties) {
  const runs = allRuns(records)
  const failures = failuresOf(records)
  const misses = []
  const above = runs.filter(({ withinBound }) => !withinBound).length
  if (above > 0) misses.push(`${above} guarantees above the bound`)
  // A coordinator can stall its own challenge, and a network everybody's.
  if (failures.length > 0 && parties.coordinator && parties.network)
    misses.push(`${failures.length} challenges without a verdict: ${[...new Set(failures)].join('; ')}`)
  if (PROMISING.includes(parties.kind) && isGriefing(parties)) {
    const low = runs.filter(({ guaranteedPct }) => guaranteedPct < LEAST_HONEST_PCT).length
    if (low > 0) misses.push(`${low} guarantees below ${LEAST_HONEST_PCT} % for an honest prover`)
  }
  const overpaid = runs.filter(({ creditPct = 0, boundPct }) => creditPct > MOST_CREDIT * boundPct).length
  if (overpaid > 0) misses.push(`${overpaid} credits above ${MOST_CREDIT} times the bound`)
  for (const name of NEVER) if (countOf(runs, name) > 0) misses.push(`${name}: ${countOf(runs, name)}`)
  const framed = runs.filter(({ observed }) => (observed?.provenFaults.honest ?? 0) > 0).length
  if (framed > 0) misses.push(`an honest party was proven at fault in ${framed} runs`)
  const filedOf = (name) => runs.reduce((sum, { observed }) => sum + (observed?.filed?.[name] ?? 0), 0)
  if (filedOf('honest') > 0) misses.push(`${filedOf('honest')} files of members accuse an honest party`)
  if (filedOf('void') > 0) misses.push(`${filedOf('void')} files of members prove nothing`)
  const unproven = runs.filter(({ observed }) => (observed?.filed?.corrupt ?? 0) === 0).length
  if (parties.provenByMembers && unproven > 0) misses.push(`no member kept a proof in ${unproven} runs`)
  const passed = runs.filter(({ observed }) => observed?.second?.faults.length === 0).length
  if (passed > 0) misses.push(`a second transcript passed in ${passed} runs`)
  const reflected = reflectionOf(runs)
  if (reflected !== undefined && reflected > MOST_REFLECTED)
    misses.push(`a third party got ${reflected} times what was sent in its name`)
  return misses
}

/** Challengers against an honest prover, on an honest network, with an honest coordinator. */
const isGriefing = ({ prover, coordinator, network }) => prover && coordinator && network

/** Most of all runs: bytes at the third party over bytes sent in its name. */
function reflectionOf(runs) {
  const shares = runs.flatMap(({ observed }) =>
    observed?.victimBytes === undefined
      ? []
      : [observed.victimBytes / Math.max(1, observed.counts['bytes in the name of the third party'] ?? 0)],
  )
  return shares.length === 0 ? undefined : round(Math.max(...shares))
}

export const TABLE_HEAD = `| attack | honest | runs | estimate, % of truth: median (least..most) | guaranteed, % of truth: median (least..most) | bound % | above it | MB a run | ended with a verdict | flags in half of the runs or more | what else was seen | limits |
|---|---|---|---|---|---|---|---|---|---|---|---|`

/** The cells of one row, from all records of its attack. */
export function rowCells(attack, records, parties) {
  const runs = allRuns(records)
  const tried = runs.length + failuresOf(records).length
  const misses = limitsOf(records, parties)
  return [
    `\`${attack}\``,
    honestOf(parties),
    runs.length,
    spread(runs.map(({ estimatePct }) => estimatePct)),
    spread(runs.map(({ guaranteedPct }) => guaranteedPct)),
    runs.length === 0 ? '-' : Math.min(...runs.map(({ boundPct }) => boundPct)).toFixed(2),
    runs.filter(({ withinBound }) => !withinBound).length,
    runs.length === 0 ? '-' : (median(runs.map(({ bytes }) => bytes)) / 1e6).toFixed(1),
    `${runs.length} of ${tried}`,
    commonFlags(runs).join(', ') || 'none',
    seenIn(runs).join('; ') || '-',
    misses.length > 0 ? `MISSED: ${misses.join('; ')}` : runs.length === 0 ? 'nothing to judge' : 'kept',
  ]
}

function honestOf({ prover, coordinator, network, corruptChallengers, challengers }) {
  const parties = [
    ...(prover ? ['prover'] : []),
    ...(coordinator ? ['coordinator'] : []),
    ...(network ? ['network'] : []),
    corruptChallengers === 0
      ? 'all challengers'
      : `${challengers - corruptChallengers} of ${challengers} challengers`,
  ]
  return parties.join(', ')
}

function commonFlags(runs) {
  const flags = [...new Set(runs.flatMap((run) => run.flags))].sort()
  // Every row claims 1.2 times the truth, so this one says nothing of the attack.
  return flags.filter(
    (flag) =>
      flag !== 'overclaimed' && 2 * runs.filter((run) => run.flags.includes(flag)).length >= runs.length,
  )
}

function seenIn(runs) {
  const seen = []
  const names = [...new Set(runs.flatMap(({ observed }) => Object.keys(observed?.counts ?? {})))]
  for (const name of names) if (!name.startsWith('bytes')) seen.push(`${name}: ${countOf(runs, name)}`)
  const reflected = reflectionOf(runs)
  if (reflected !== undefined)
    seen.push(`at the third party at most ${reflected} x the bytes sent in its name`)
  const proven = runs.filter(({ observed }) => (observed?.provenFaults.corrupt ?? 0) > 0).length
  if (proven > 0) seen.push(`faults proven of corrupt parties alone in ${proven} runs`)
  const kept = runs.reduce((sum, { observed }) => sum + (observed?.filed?.corrupt ?? 0), 0)
  const kinds = [...new Set(runs.flatMap(({ observed }) => observed?.filed?.kinds ?? []))].sort()
  if (kept > 0) seen.push(`proofs in members' files that stand: ${kept} (${kinds.join(', ')})`)
  const faults = [...new Set(runs.flatMap(({ observed }) => observed?.second?.faults ?? []))]
  if (faults.length > 0) seen.push(`the second transcript: ${faults.join(', ')}`)
  return seen
}

function spread(values) {
  if (values.length === 0) return '-'
  const [middle, least, most] = [median(values), Math.min(...values), Math.max(...values)]
  return `${middle.toFixed(1)} (${least.toFixed(1)}..${most.toFixed(1)})`
}

/** The mean of the middle two of an even number. */
function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  return sorted.length % 2 === 1
    ? sorted[Math.floor(middle)]
    : round((sorted[middle - 1] + sorted[middle]) / 2)
}
