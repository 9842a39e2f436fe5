// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BeaconRegistry} from "../src/BeaconRegistry.sol";
import {Bls12381} from "../src/libraries/Bls12381.sol";
import {Test} from "./support/Test.sol";

contract BeaconRegistryTest is Test {
    bytes32 private constant QUICKNET = 0x52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971;
    address private constant G1_MSM = address(0x0c);

    BeaconRegistry private beacons;
    bytes[] private signatures;
    bytes32[] private values;
    uint256[] private rounds;

    function setUp() public {
        beacons = new BeaconRegistry(new BeaconRegistry.LocalBeacon[](0));
        string memory file = vm.readFile("contracts/fixtures/blsG1.json");
        signatures = vm.parseJsonBytesArray(file, ".short");
        values = vm.parseJsonBytes32Array(file, ".randomness");
        rounds = vm.parseJsonUintArray(file, ".rounds");
    }

    function local() private view returns (BeaconRegistry.LocalBeacon[] memory made) {
        string memory file = vm.readFile("contracts/fixtures/localBeacon.json");
        made = new BeaconRegistry.LocalBeacon[](1);
        made[0] = BeaconRegistry.LocalBeacon(
            uint64(vm.parseJsonUint(file, ".genesis")),
            uint32(vm.parseJsonUint(file, ".period")),
            vm.parseJsonBytes(file, ".publicKey")
        );
    }

    function test_quicknet_realRoundsVerify() public {
        uint256 verified = 0;
        for (uint256 i = 0; i < rounds.length; ++i) {
            if (rounds[i] == 0) continue;
            uint64 round = uint64(rounds[i]);
            vm.expectEmit();
            emit BeaconRegistry.RoundVerified(QUICKNET, round, values[i]);
            same(beacons.submit(QUICKNET, round, signatures[i]), values[i], "randomness");
            same(beacons.randomness(QUICKNET, round), values[i], "stored");
            ++verified;
        }
        check(verified >= 2, "rounds are there");
    }

    function test_quicknet_refusesWhatDoesNotVerify() public {
        (uint256 first, uint256 second) = (1, 2);
        uint64 round = uint64(rounds[first]);
        refuse(round + 1, signatures[first]);
        refuse(round, signatures[second]);
        refuse(round, new bytes(96));
        refuse(round, bytes.concat(signatures[first], hex"00"));
        refuse(round, "");
        same(beacons.randomness(QUICKNET, round), bytes32(0), "nothing stored");
    }

    /// The other root y of the same x would give other randomness for the same round.
    function test_quicknet_refusesTheOtherY() public {
        bytes memory signature = signatures[1];
        bytes memory p =
            hex"1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab";
        uint256 borrow = 0;
        for (uint256 n = 48; n > 0; --n) {
            uint256 i = n - 1;
            uint256 a = uint8(p[i]);
            uint256 b = uint8(signature[48 + i]) + borrow;
            borrow = a < b ? 1 : 0;
            signature[48 + i] = bytes1(uint8(a + 256 * borrow - b));
        }
        refuse(uint64(rounds[1]), signature);
    }

    /// x + p is the same point in careless arithmetic, and other bytes.
    function test_quicknet_refusesAnUnreducedCoordinate() public {
        bytes memory signature = signatures[1];
        bytes memory p =
            hex"1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab";
        uint256 carry = 0;
        for (uint256 n = 48; n > 0; --n) {
            uint256 i = n - 1;
            uint256 sum = uint256(uint8(p[i])) + uint8(signature[i]) + carry;
            signature[i] = bytes1(uint8(sum));
            carry = sum >> 8;
        }
        refuse(uint64(rounds[1]), signature);
    }

    /// A refused point burns all gas that the precompile was given: the limit keeps the test's own.
    function refuse(uint64 round, bytes memory signature) private {
        vm.expectRevert(
            abi.encodeWithSelector(BeaconRegistry.InvalidBeaconSignature.selector, QUICKNET, round)
        );
        beacons.submit{gas: 2_000_000}(QUICKNET, round, signature);
    }

    function test_submit_twiceIsNoError() public {
        uint64 round = uint64(rounds[1]);
        beacons.submit(QUICKNET, round, signatures[1]);
        vm.recordLogs();
        same(beacons.submit(QUICKNET, round, "whatever"), values[1], "the value that is there");
        same(vm.getRecordedLogs().length, 0, "no second event");
    }

    function test_unknownBeaconsAndRoundZero() public {
        vm.expectRevert(abi.encodeWithSelector(BeaconRegistry.UnknownBeacon.selector, bytes32("x")));
        beacons.submit("x", 1, signatures[1]);
        vm.expectRevert(abi.encodeWithSelector(BeaconRegistry.UnknownBeacon.selector, bytes32("x")));
        beacons.roundTime("x", 1);
        vm.expectRevert(BeaconRegistry.NoSuchRound.selector);
        beacons.submit(QUICKNET, 0, signatures[1]);
        vm.expectRevert(BeaconRegistry.NoSuchRound.selector);
        beacons.roundTime(QUICKNET, 0);
    }

    function test_roundTime_ofQuicknet() public view {
        same(beacons.roundTime(QUICKNET, 1), 1_692_803_367, "genesis");
        same(beacons.roundTime(QUICKNET, 1001), 1_692_803_367 + 3000, "later");
        same(
            beacons.roundTime(QUICKNET, type(uint64).max),
            1_692_803_367 + 3 * (uint256(type(uint64).max) - 1),
            "last"
        );
    }

    // ------------------------------------------------------------------------------------------------ local

    function test_local_chainHashAndRoundsAsInTypeScript() public {
        string memory file = vm.readFile("contracts/fixtures/localBeacon.json");
        BeaconRegistry dev = new BeaconRegistry(local());
        bytes32 chainHash = vm.parseJsonBytes32(file, ".chainHash");
        same(dev.localChainHash(local()[0]), chainHash, "chain hash");
        uint64 round = uint64(vm.parseJsonUint(file, ".round"));
        same(dev.roundTime(chainHash, round), 1_800_000_000 + 2 * 76, "time");
        bytes32 value = dev.submit(chainHash, round, vm.parseJsonBytes(file, ".signature"));
        same(value, vm.parseJsonBytes32(file, ".randomness"), "randomness");
    }

    /// Signs with the multi-scalar precompile: every round of a local beacon verifies, and none under another number.
    function testFuzz_local_roundsSignedInSolidity(uint64 round) public {
        vm.assume(round > 0 && round < type(uint64).max);
        BeaconRegistry dev = new BeaconRegistry(local());
        bytes32 chainHash = dev.localChainHash(local()[0]);
        bytes32 secret = sha256("plumbline contracts test beacon");
        bytes memory message = abi.encodePacked(sha256(abi.encodePacked(round)));
        bytes memory hashed = Bls12381.hashToG1(message, "BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_");
        (bool ok, bytes memory point) = G1_MSM.staticcall(abi.encodePacked(hashed, secret));
        check(ok, "signed");
        bytes memory signature = new bytes(96);
        for (uint256 i = 0; i < 48; ++i) {
            (signature[i], signature[48 + i]) = (point[16 + i], point[80 + i]);
        }
        vm.expectPartialRevert(BeaconRegistry.InvalidBeaconSignature.selector);
        dev.submit{gas: 2_000_000}(chainHash, round + 1, signature);
        bytes32 value = dev.submit(chainHash, round, signature);
        uint8 flag = Bls12381.isUpperHalf(
            uint256(bytes32(slice(point, 64))), uint256(bytes32(slice(point, 96)))
        )
            ? 0xa0
            : 0x80;
        bytes memory compressed = slice(point, 16, 48);
        compressed[0] = bytes1(uint8(compressed[0]) | flag);
        same(value, sha256(compressed), "randomness");
    }

    function test_local_onlyOnDevelopmentChains() public {
        BeaconRegistry.LocalBeacon[] memory made = local();
        vm.chainId(1);
        vm.expectRevert(abi.encodeWithSelector(BeaconRegistry.LocalBeaconOnPublicChain.selector, 1));
        new BeaconRegistry(made);
        vm.chainId(1337);
        new BeaconRegistry(made);
        vm.chainId(1);
        new BeaconRegistry(new BeaconRegistry.LocalBeacon[](0));
    }

    function test_local_refusesBadDescriptions() public {
        BeaconRegistry.LocalBeacon[] memory made = local();
        made[0].period = 0;
        vm.expectRevert(BeaconRegistry.InvalidLocalBeacon.selector);
        new BeaconRegistry(made);
        made = local();
        made[0].publicKey = new bytes(96);
        vm.expectRevert(BeaconRegistry.InvalidLocalBeacon.selector);
        new BeaconRegistry(made);
        BeaconRegistry.LocalBeacon[] memory twice = new BeaconRegistry.LocalBeacon[](2);
        (twice[0], twice[1]) = (local()[0], local()[0]);
        vm.expectRevert(BeaconRegistry.InvalidLocalBeacon.selector);
        new BeaconRegistry(twice);
    }

    /// The sign of a key with y.c1 = 0 comes from y.c0.
    function test_local_keySignFallsBackToTheFirstCoordinate() public view {
        BeaconRegistry.LocalBeacon memory low = BeaconRegistry.LocalBeacon(1, 1, new bytes(256));
        low.publicKey[191] = 0x01;
        BeaconRegistry.LocalBeacon memory high = BeaconRegistry.LocalBeacon(1, 1, new bytes(256));
        for (uint256 i = 0; i < 48; ++i) {
            high.publicKey[144 + i] = 0x19;
        }
        check(beacons.localChainHash(low) != beacons.localChainHash(high), "differ by the flag alone");
    }

    // ------------------------------------------------------------------------------------ absent precompiles

    /// forge-config: default.evm_version = "cancun"
    /// forge-config: long.evm_version = "cancun"
    function test_deployment_refusesOnAChainOfCancun() public {
        vm.expectRevert(abi.encodeWithSelector(Bls12381.PrecompileAbsent.selector, address(0x10)));
        new BeaconRegistry(new BeaconRegistry.LocalBeacon[](0));
    }

    function test_deployment_refusesWithoutAnyOneOfThem() public {
        address[4] memory needed = [address(0x05), address(0x0b), address(0x0f), address(0x10)];
        for (uint256 i = 0; i < needed.length; ++i) {
            vm.mockCall(needed[i], "", "");
            vm.expectRevert(abi.encodeWithSelector(Bls12381.PrecompileAbsent.selector, needed[i]));
            new BeaconRegistry(new BeaconRegistry.LocalBeacon[](0));
            vm.clearMockedCalls();
        }
    }

    function test_deployment_refusesAPairingThatAlwaysSaysNo() public {
        vm.mockCall(address(0x0f), "", abi.encode(uint256(0)));
        vm.expectRevert(BeaconRegistry.SelfTestFailed.selector);
        new BeaconRegistry(new BeaconRegistry.LocalBeacon[](0));
    }

    function slice(bytes memory from, uint256 start) private pure returns (bytes memory) {
        return slice(from, start, 32);
    }

    function slice(bytes memory from, uint256 start, uint256 length)
        private
        pure
        returns (bytes memory part)
    {
        part = new bytes(length);
        for (uint256 i = 0; i < length; ++i) {
            part[i] = from[start + i];
        }
    }
}
