/** Faults from whatever a person has: transcripts of one challenge, fault proofs of it, or both. */
import { UserError } from '../errors.js'
import { decodeFaultProof, openFaultProof } from './fault-proof.js'
import { sameBytes } from './party.js'
import { type FaultSearch, findProvableFaults } from './provable-faults.js'

/** @throws UserError where a file is neither, a proof proves nothing, or they are of several challenges */
export function faultsInFiles(files: readonly Uint8Array[]): FaultSearch {
  const transcripts = files.filter((file) => !isFaultProof(file))
  const searches = files.filter(isFaultProof).map(openFaultProof)
  if (transcripts.length > 0 || searches.length === 0) searches.unshift(findProvableFaults(transcripts))
  const [first] = searches
  if (first === undefined) throw new Error('no search')
  if (searches.some((each) => !sameBytes(each.challengeId, first.challengeId)))
    throw new UserError('the files are of several challenges', {
      code: 'BAD_ARGUMENT',
      remedy: 'give those of one challenge',
      exitStatus: 2,
    })
  const faults = searches.flatMap((each) => each.faults)
  const nameOf = ({ kind, accused }: FaultSearch['faults'][number]) => `${kind}/${accused}`
  const unique = new Map(faults.map((fault) => [nameOf(fault), fault]))
  return { ...first, faults: [...unique.values()] }
}

function isFaultProof(content: Uint8Array): boolean {
  try {
    decodeFaultProof(content)
    return true
  } catch (error) {
    if (error instanceof UserError) return false
    throw error
  }
}
