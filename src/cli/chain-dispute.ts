/** `plumbline chain dispute <file,...>`: proves to the chain what transcripts or fault proofs show. */
import { readFile, stat } from 'node:fs/promises'
import { expandPath } from '../config/paths.js'
import type { Address } from '../crypto/address.js'
import { UserError } from '../errors.js'
import type { FaultSearch } from '../pob/provable-faults.js'
import { MAX_TRANSCRIPT_BYTES } from '../pob/transcript.js'
import { chainOptions, minedJson, walletOptions, withWallet } from './chain-options.js'
import { defineCommand } from './command.js'
import { labelled, plural } from './format.js'
import { text } from './option.js'

const LABEL_WIDTH = 14

interface RaisedFault {
  readonly kind: string
  readonly accused: Address
  /** False where the chain had a proof already. */
  readonly proven: boolean
  readonly rewardWei: string
  readonly transactions: readonly ReturnType<typeof minedJson>[]
}

export const chainDisputeCommand = defineCommand({
  path: 'chain dispute',
  group: 'chain',
  summary: 'Prove a fault that transcripts or fault proofs show, and have it slashed',
  description: [
    'Looks for what two signatures prove: a seed off its commitment (one transcript shows it), two testimonies, two ' +
      'results or two lists of acks (two transcripts of one challenge that contradict each other). Each report is ' +
      'announced with a bond and proven in a later block; the bond comes back, with a part of what is slashed.',
    'Nodes keep a proof of each fault that they meet in the folder faults of their data directory: such a file does as ' +
      'well as the transcripts. Two plans of a coordinator are a fault, too, but it has nothing at stake on the chain.',
    'Anybody may do it, from the moment the committee is fixed until the dispute window ends.',
  ],
  positionals: {
    files: text({
      summary: 'Transcripts or fault proofs of one challenge, separated by commas',
      placeholder: 'file,...',
      required: true,
    }),
  },
  options: {
    'proofs-to': text({
      summary: 'Write each fault as a proof of its own into this folder, for `verify --fault`',
      completes: 'directory',
      defaultText: 'nowhere',
    }),
    ...chainOptions,
    ...walletOptions,
  },
  examples: [
    ['chain dispute result.pob --dry-run', 'See whether it proves anything'],
    ['chain dispute mine.pob,theirs.pob', 'Two transcripts that contradict each other'],
    ['chain dispute ~/.plumbline/faults/5f3c...-seed-0x8f....fault', 'What this node met by itself'],
  ],
  run: async (args, io) => {
    const { faultsInFiles } = await import('../pob/fault-files.js')
    const { isDisputable, raiseDispute } = await import('../node/chain/dispute.js')
    const search = faultsInFiles(await Promise.all(args.files.split(',').map(readTranscript)))
    const challengeId = `0x${Buffer.from(search.challengeId).toString('hex')}`
    const shown = search.faults.map(({ kind, accused }) => ({ kind, accused }))
    const proofs = args.proofsTo === undefined ? [] : await writeProofs(search, expandPath(args.proofsTo))
    const disputable = search.faults.filter(isDisputable)
    if (args.dryRun || disputable.length === 0) {
      io.output.result({ challengeId, faults: shown, proofs, disputes: [] }, () =>
        [
          `${plural(shown.length, 'provable fault')} in challenge ${challengeId}`,
          ...shown.map(({ kind, accused }) => labelled(`  ${kind}`, accused, LABEL_WIDTH)),
          ...proofs.map((path) => labelled('  proof', path, LABEL_WIDTH)),
        ].join('\n'),
      )
      return (args.dryRun ? search.faults : disputable).length === 0 ? 1 : 0
    }
    return withWallet(args, io, async ({ chain, wallet }) => {
      const { formatEther, readCredits, withdrawReward } = await import('../chain/index.js')
      const disputes: RaisedFault[] = []
      for (const fault of disputable) {
        const { kind, accused } = fault
        const { announced, proven, reclaimed } = await raiseDispute(chain, search, fault, io.signal)
        const transactions = [announced, proven, reclaimed].flatMap((mined) =>
          mined === undefined ? [] : [minedJson(mined)],
        )
        disputes.push({
          kind,
          accused,
          proven: proven !== undefined,
          rewardWei: (proven?.rewardWei ?? 0n).toString(),
          transactions,
        })
        io.output.note(
          proven === undefined
            ? `${kind}: a fault of ${accused} in this challenge was proven before`
            : `${kind}: ${accused} is at fault, ${formatEther(proven.rewardWei)} for the report`,
        )
      }
      // Rewards and returned bonds are credits of the contract until they are taken.
      const account = wallet.address
      const { rewardsWei } = await readCredits(chain, account)
      const paid =
        rewardsWei === 0n ? undefined : await withdrawReward(chain, { account }, { signal: io.signal })
      const result = {
        challengeId,
        faults: shown,
        proofs,
        disputes,
        paidWei: rewardsWei.toString(),
        transactions: paid === undefined ? [] : [minedJson(paid)],
      }
      io.output.result(result, () => {
        const count = disputes.filter(({ proven }) => proven).length
        return [
          `${plural(count, 'fault')} proven in challenge ${challengeId}.`,
          ...(paid === undefined ? [] : [`${formatEther(rewardsWei)}, bonds included, went to ${account}.`]),
        ].join('\n')
      })
      return 0
    })
  },
})

async function writeProofs(search: FaultSearch, directory: string): Promise<string[]> {
  const { writeFaultProof } = await import('../node/fault-files.js')
  return Promise.all(search.faults.map((fault) => writeFaultProof(directory, search, fault)))
}

async function readTranscript(name: string): Promise<Uint8Array> {
  const path = expandPath(name)
  const status = await stat(path).catch(() => undefined)
  if (status?.isFile() !== true)
    throw new UserError(`there is no file ${path}`, {
      code: 'NOT_FOUND',
      remedy: 'name a transcript or a fault proof',
    })
  if (status.size > MAX_TRANSCRIPT_BYTES)
    throw new UserError(`${path} has ${status.size} bytes: too many for a transcript`, {
      code: 'BAD_TRANSCRIPT',
      remedy: 'name the right file',
    })
  return readFile(path)
}
