/**
 * A key of ours as a viem account. The secret stays inside the {@link Signer}: this only hands digests to it.
 */
import {
  hashMessage,
  hashTypedData,
  keccak256,
  type LocalAccount,
  parseSignature,
  serializeTransaction,
  toBytes,
  toHex,
} from 'viem'
import { toAccount } from 'viem/accounts'
import type { Signer } from '../crypto/identity.js'

/** The node's hot key, or a cold wallet opened from a key file. */
export function chainAccount(signer: Signer): LocalAccount {
  const sign = (hash: `0x${string}`) => toHex(signer.sign(toBytes(hash)))
  return toAccount({
    address: signer.address,
    sign: async ({ hash }) => sign(hash),
    signMessage: async ({ message }) => sign(hashMessage(message)),
    signTypedData: async (data) => sign(hashTypedData(data)),
    signTransaction: async (transaction, options) => {
      const serialize = options?.serializer ?? serializeTransaction
      const digest = keccak256(await serialize(transaction))
      return serialize(transaction, parseSignature(sign(digest)))
    },
  })
}
