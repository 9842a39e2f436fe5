// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EcdsaAttestationVerifier} from "../src/EcdsaAttestationVerifier.sol";
import {BinomialTail} from "../src/libraries/BinomialTail.sol";
import {Bls12381} from "../src/libraries/Bls12381.sol";
import {
    CommitmentBody,
    Messages,
    Outcome,
    Request,
    SlotRun,
    TestimonyBody
} from "../src/libraries/Messages.sol";
import {Test} from "./support/Test.sol";

/// @notice The libraries as external functions, so that reverts can be caught and memory is freed.
contract Harness {
    function verifyG1(bytes memory a, bytes memory b, bytes memory c, bytes memory d)
        external
        view
        returns (bool)
    {
        return Bls12381.verifyG1Signature(a, b, c, d);
    }

    function verifyG2(bytes memory a, bytes memory b, bytes memory c, bytes memory d)
        external
        view
        returns (bool)
    {
        return Bls12381.verifyG2Signature(a, b, c, d);
    }

    /// AggregateVerify of the BLS draft (sections 2.9 and 3.1.1) out of the library's parts.
    function aggregateG2(
        bytes memory signature,
        bytes[] memory keys,
        bytes[] memory messages,
        bytes memory tag,
        bool distinct
    ) external view returns (bool) {
        if (keys.length == 0 || keys.length != messages.length) return false;
        if (signature.length != 256 || keccak256(signature) == keccak256(new bytes(256))) return false;
        bytes memory pairs = bytes.concat(Bls12381.NEGATED_G1, signature);
        for (uint256 i = 0; i < keys.length; ++i) {
            if (keys[i].length != 128 || keccak256(keys[i]) == keccak256(new bytes(128))) return false;
            // The basic scheme wants distinct messages.
            for (uint256 j = 0; distinct && j < i; ++j) {
                if (keccak256(messages[i]) == keccak256(messages[j])) return false;
            }
            pairs = bytes.concat(pairs, keys[i], Bls12381.hashToG2(messages[i], tag));
        }
        return Bls12381.pairsToOne(pairs);
    }

    function hashG1(bytes memory message, bytes memory tag) external view returns (bytes memory) {
        return Bls12381.hashToG1(message, tag);
    }

    function hashG2(bytes memory message, bytes memory tag) external view returns (bytes memory) {
        return Bls12381.hashToG2(message, tag);
    }

    function expand(bytes memory message, bytes memory tag, uint256 length)
        external
        pure
        returns (bytes memory)
    {
        return Bls12381.expandMessage(message, tag, length);
    }

    function budget(uint256 size, uint256 beta, uint256 delta) external pure returns (uint256) {
        return BinomialTail.budget(size, beta, delta);
    }

    function request(Request calldata value) external pure returns (bytes32) {
        return Messages.hashRequest(value);
    }

    function result(bytes32 id, Outcome calldata value) external pure returns (bytes32) {
        return Messages.hashResult(id, value);
    }

    function commitment(SlotRun memory run, CommitmentBody calldata value) external pure returns (bytes32) {
        return Messages.hashCommitment(run, value);
    }

    function slotTestimony(SlotRun memory run, TestimonyBody calldata value) external pure returns (bytes32) {
        return Messages.hashTestimony(run, value);
    }
}

/// @notice Vectors of independent projects (contracts/test/fixtures.mjs) through the Solidity.
contract VectorsTest is Test {
    Harness private harness = new Harness();

    function json(string memory name) private view returns (string memory) {
        return vm.readFile(string.concat("contracts/fixtures/", name, ".json"));
    }

    // --------------------------------------------------------------------------------- ECDSA (Wycheproof)

    function test_ecdsa_wycheproofThroughTheAttestationVerifier() public {
        string memory file = json("ecdsa");
        bytes32[] memory digests = vm.parseJsonBytes32Array(file, ".digests");
        bytes32[] memory r = vm.parseJsonBytes32Array(file, ".rs");
        bytes32[] memory s = vm.parseJsonBytes32Array(file, ".ss");
        address[] memory signers = vm.parseJsonAddressArray(file, ".signers");
        bool[] memory valid = vm.parseJsonBoolArray(file, ".valid");
        EcdsaAttestationVerifier verifier = new EcdsaAttestationVerifier();
        uint256 accepted = 0;
        for (uint256 i = 0; i < digests.length; ++i) {
            bool ok = _attests(verifier, digests[i], r[i], s[i], 27, signers[i])
                || _attests(verifier, digests[i], r[i], s[i], 28, signers[i]);
            check(ok == valid[i], string.concat("vector at ", vm.toString(i)));
            if (ok) ++accepted;
        }
        check(accepted > 0 && accepted < digests.length, "both kinds occur");
    }

    function _attests(
        EcdsaAttestationVerifier verifier,
        bytes32 digest,
        bytes32 r,
        bytes32 s,
        uint8 v,
        address signer
    ) private pure returns (bool) {
        address[] memory committee = new address[](1);
        committee[0] = signer;
        bytes memory proof = abi.encode(committee, 1, abi.encodePacked(r, s, v));
        try verifier.verify(digest, keccak256(abi.encodePacked(committee)), proof) returns (uint256 bits) {
            return bits == 1;
        } catch {
            return false;
        }
    }

    // ----------------------------------------------------------------------------------------------- BLS

    function test_bls_wycheproofSignaturesInG2() public view {
        string memory file = json("blsG2");
        bytes[] memory signatures = vm.parseJsonBytesArray(file, ".signatures");
        bytes[] memory keys = vm.parseJsonBytesArray(file, ".keys");
        bytes[] memory messages = vm.parseJsonBytesArray(file, ".messages");
        bytes[] memory tags = vm.parseJsonBytesArray(file, ".tags");
        bool[] memory valid = vm.parseJsonBoolArray(file, ".valid");
        uint256 accepted = 0;
        for (uint256 i = 0; i < valid.length; ++i) {
            // A precompile that refuses a point burns all gas it was given.
            bool ok = harness.verifyG2{gas: 2_000_000}(signatures[i], keys[i], messages[i], tags[i]);
            check(ok == valid[i], string.concat("vector at ", vm.toString(i)));
            if (ok) ++accepted;
        }
        check(accepted > 0 && accepted < valid.length, "both kinds occur");
    }

    function test_bls_wycheproofAggregatesInG2() public view {
        string memory file = json("blsAggregate");
        bytes[] memory signatures = vm.parseJsonBytesArray(file, ".signatures");
        bytes[] memory keys = vm.parseJsonBytesArray(file, ".keys");
        bytes[] memory messages = vm.parseJsonBytesArray(file, ".messages");
        bytes[] memory tags = vm.parseJsonBytesArray(file, ".tags");
        bool[] memory distinct = vm.parseJsonBoolArray(file, ".distinct");
        bool[] memory valid = vm.parseJsonBoolArray(file, ".valid");
        uint256 accepted = 0;
        for (uint256 i = 0; i < valid.length; ++i) {
            bytes[] memory who = abi.decode(keys[i], (bytes[]));
            bytes[] memory what = abi.decode(messages[i], (bytes[]));
            bool ok = false;
            // A precompile that refuses a point burns all gas it was given, and reverts.
            uint256 gas = 2_000_000 + 500_000 * who.length;
            try harness.aggregateG2{gas: gas}(signatures[i], who, what, tags[i], distinct[i]) returns (
                bool good
            ) {
                ok = good;
            } catch {}
            check(ok == valid[i], string.concat("vector at ", vm.toString(i)));
            if (ok) ++accepted;
        }
        check(accepted > 0 && accepted < valid.length, "both kinds occur");
    }

    function test_bls_wycheproofHashToG2() public view {
        string memory file = json("hashG2");
        bytes[] memory messages = vm.parseJsonBytesArray(file, ".messages");
        bytes[] memory tags = vm.parseJsonBytesArray(file, ".tags");
        bytes[] memory points = vm.parseJsonBytesArray(file, ".points");
        bool[] memory valid = vm.parseJsonBoolArray(file, ".valid");
        check(valid.length > 0, "vectors are there");
        for (uint256 i = 0; i < valid.length; ++i) {
            bool ok = keccak256(harness.hashG2(messages[i], tags[i])) == keccak256(points[i]);
            check(ok == valid[i], string.concat("vector at ", vm.toString(i)));
        }
    }

    function test_bls_drandAndOtherSignaturesInG1() public view {
        string memory file = json("blsG1");
        bytes[] memory signatures = vm.parseJsonBytesArray(file, ".signatures");
        bytes[] memory keys = vm.parseJsonBytesArray(file, ".keys");
        bytes[] memory messages = vm.parseJsonBytesArray(file, ".messages");
        bytes[] memory tags = vm.parseJsonBytesArray(file, ".tags");
        bytes[] memory hashes = vm.parseJsonBytesArray(file, ".hashes");
        check(signatures.length > 0, "vectors are there");
        for (uint256 i = 0; i < signatures.length; ++i) {
            bytes memory hashed = harness.hashG1(messages[i], tags[i]);
            same(keccak256(hashed), keccak256(hashes[i]), "hash to G1");
            check(harness.verifyG1(signatures[i], keys[i], messages[i], tags[i]), "signature");
            check(!harness.verifyG1(signatures[i], keys[i], "another", tags[i]), "other message");
            check(!harness.verifyG1{gas: 2_000_000}(hashes[i], keys[i], messages[i], tags[i]), "other point");
        }
    }

    function test_bls_refusesInfinityAndWrongLengths() public view {
        string memory file = json("blsG1");
        bytes memory signature = vm.parseJsonBytesArray(file, ".signatures")[0];
        bytes memory key = vm.parseJsonBytesArray(file, ".keys")[0];
        check(!harness.verifyG1(new bytes(128), key, "m", "t"), "infinite signature");
        check(!harness.verifyG1(signature, new bytes(256), "m", "t"), "infinite key");
        check(!harness.verifyG1(new bytes(128), new bytes(256), "m", "t"), "both");
        check(!harness.verifyG1(bytes.concat(signature, hex"00"), key, "m", "t"), "long signature");
        check(!harness.verifyG1(signature, signature, "m", "t"), "short key");
        check(!harness.verifyG2(new bytes(256), signature, "m", "t"), "infinite, min-pk");
        check(!harness.verifyG2(key, new bytes(128), "m", "t"), "infinite key, min-pk");
    }

    /// RFC 9380 appendix K.1 (SHA-256, short tag).
    function test_bls_expandMessageOfTheRfc() public {
        bytes memory tag = "QUUX-V01-CS02-with-expander-SHA256-128";
        same(
            bytes32(harness.expand("", tag, 0x20)),
            0x68a985b87eb6b46952128911f2a4412bbc302a9d759667f87f7a21d803f07235,
            "empty"
        );
        same(
            bytes32(harness.expand("abc", tag, 0x20)),
            0xd8ccab23b5985ccea865c6c97b6e5b8350e794e603b4b97902f53a8a0d605615,
            "abc"
        );
        same(
            keccak256(harness.expand("", tag, 0x80)),
            keccak256(
                hex"af84c27ccfd45d41914fdff5df25293e221afc53d8ad2ac06d5e3e29485dadbee0d121587713a3e0dd4d5e69e93eb7cd4f5df4cd103e188cf60cb02edc3edf18eda8576c412b18ffb658e3dd6ec849469b979d444cf7b26911a08e63cf31f9dcc541708d3491184472c2c29bb749d4286b004ceb5ee6b9a7fa5b646c993f0ced"
            ),
            "empty, 128 bytes"
        );
        vm.expectPartialRevert(Bls12381.DomainTagTooLong.selector);
        harness.expand("", new bytes(256), 32);
        vm.expectPartialRevert(Bls12381.ExpansionTooLong.selector);
        harness.expand("", tag, 255 * 32 + 1);
    }

    // --------------------------------------------------------------------------------------------- EIP-712

    function test_typedData_equalsViem() public {
        string memory file = json("typedData");
        vm.chainId(vm.parseJsonUint(file, ".chainId"));
        bytes32 separator = _domain(file);
        bytes32 id = _digest(separator, harness.request(_request()));
        same(id, vm.parseJsonBytes32(file, ".challengeId"), "challengeId");
        same(
            _digest(separator, Messages.hashAcceptance(id, 1_799_999_000)),
            vm.parseJsonBytes32(file, ".acceptance"),
            "Acceptance"
        );
        Outcome memory outcome = Outcome(
            bytes32(hex"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"),
            240_000,
            249_000,
            1023
        );
        same(_digest(separator, harness.result(id, outcome)), vm.parseJsonBytes32(file, ".result"), "Result");
    }

    function test_typedData_ofVouchersEqualsViem() public view {
        string memory file = json("typedData");
        bytes32 channelId = 0x1212121212121212121212121212121212121212121212121212121212121212;
        bytes32 head = 0x3434343434343434343434343434343434343434343434343434343434343434;
        bytes32 hash = Messages.hashVoucher(channelId, type(uint96).max, type(uint64).max, head);
        same(_digest(_domain(file), hash), vm.parseJsonBytes32(file, ".voucher"), "Voucher");
    }

    function test_typedData_ofSlotsEqualsViem() public view {
        string memory file = json("typedData");
        bytes32 separator = _domain(file);
        SlotRun memory run = SlotRun(vm.parseJsonBytes32(file, ".challengeId"), 3, 2);
        CommitmentBody memory body = CommitmentBody(
            bytes32(hex"abababababababababababababababababababababababababababababababab"), 150_000, 2612
        );
        same(
            _digest(separator, harness.commitment(run, body)),
            vm.parseJsonBytes32(file, ".commitment"),
            "Commitment"
        );
        bytes32 acks = _digest(separator, Messages.hashAckList(run, vm.parseJsonBytes32(file, ".rootsHash")));
        same(acks, vm.parseJsonBytes32(file, ".ackList"), "AckList");
        bytes32 seed = 0x9999999999999999999999999999999999999999999999999999999999999999;
        TestimonyBody memory said =
            TestimonyBody(seed, acks, vm.parseJsonBytes32(file, ".ownMicrosHash"), 12_345, 678, 2612);
        same(
            _digest(separator, harness.slotTestimony(run, said)),
            vm.parseJsonBytes32(file, ".testimony"),
            "Testimony"
        );
        address member = 0x4444444444444444444444444444444444444444;
        same(Messages.seedHash(seed, run, member), vm.parseJsonBytes32(file, ".seedHash"), "seedHash");
    }

    function _request() private pure returns (Request memory request) {
        request.prover = 0x1111111111111111111111111111111111111111;
        request.payer = 0x2222222222222222222222222222222222222222;
        request.coordinator = 0x3333333333333333333333333333333333333333;
        request.direction = 1;
        request.profile = 2;
        request.claimKbps = 250_000;
        request.committeeSize = 10;
        request.teams = 5;
        request.betaMillionths = 100_000;
        request.deltaMillionths = 10_000;
        request.registryHash = 0x4444444444444444444444444444444444444444444444444444444444444444;
        request.beaconChain = 0x5555555555555555555555555555555555555555555555555555555555555555;
        request.beaconRound = 123_456_789;
        request.expiresAt = 1_800_000_000;
        request.salt = 0x6666666666666666666666666666666666666666666666666666666666666666;
    }

    function _domain(string memory file) private pure returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("plumbline"),
                keccak256("1"),
                vm.parseJsonUint(file, ".chainId"),
                vm.parseJsonAddress(file, ".verifyingContract")
            )
        );
    }

    function _digest(bytes32 separator, bytes32 structHash) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", separator, structHash));
    }

    // ---------------------------------------------------------------------------------------------- strict

    function test_strict_budgetEqualsExactArithmetic() public view {
        string memory file = json("strict");
        uint256[] memory sizes = vm.parseJsonUintArray(file, ".sizes");
        uint256[] memory betas = vm.parseJsonUintArray(file, ".betas");
        uint256[] memory deltas = vm.parseJsonUintArray(file, ".deltas");
        uint256[] memory budgets = vm.parseJsonUintArray(file, ".budgets");
        check(sizes.length > 0, "sets are there");
        for (uint256 i = 0; i < sizes.length; ++i) {
            same(
                harness.budget(sizes[i], betas[i], deltas[i]),
                budgets[i],
                string.concat("set ", vm.toString(i))
            );
        }
    }

    function test_strict_refusesTheBorderAndWhatIsOutOfRange() public {
        // P(Bin(1, 0.1) > 0) = 0.1 = delta / 2 exactly: either answer might be the other side's.
        vm.expectRevert(BinomialTail.UndecidableParameters.selector);
        harness.budget(1, 100_000, 200_000);
        same(harness.budget(1, 100_000, 200_001), 0, "just above");
        same(harness.budget(1, 100_000, 199_999), 1, "just below");
        uint256[3][6] memory bad = [
            [uint256(0), 1, 1],
            [uint256(65), 1, 1],
            [uint256(10), 0, 1],
            [uint256(10), 500_000, 1],
            [uint256(10), 1, 0],
            [uint256(10), 1, 1_000_000]
        ];
        for (uint256 i = 0; i < bad.length; ++i) {
            vm.expectRevert(BinomialTail.UndecidableParameters.selector);
            harness.budget(bad[i][0], bad[i][1], bad[i][2]);
        }
    }

    function testFuzz_strict_budgetIsMonotonous(uint256 size, uint256 beta, uint256 delta) public view {
        size = bound(size, 2, 64);
        beta = bound(beta, 1, 499_998);
        delta = bound(delta, 2, 999_999);
        uint256 f = harness.budget(size, beta, delta);
        check(f <= size, "at most all");
        check(harness.budget(size, beta + 1, delta) >= f, "more corruption");
        check(harness.budget(size, beta, delta - 1) >= f, "less risk");
        check(harness.budget(size - 1, beta, delta) <= f, "smaller");
    }
}
