"""The services of the contract: each method parses, calls a use case, and renders."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, cast

import grpc

from chassis.calls import caller_id
from chassis.files.parts import header_and_chunks
from chassis.paging import Pager
from paperplane.friendship.v1 import authorization_pb2, authorization_pb2_grpc, friendship_pb2_grpc
from paperplane.friendship.v1 import friendship_pb2 as pb
from services.friendship import rendering
from services.friendship.domain import Box
from services.friendship.people import SETTABLE
from services.friendship.photos import CONTENT_TYPE, PhotoSize
from services.friendship.store.people import Hit

if TYPE_CHECKING:
    from chassis.inbox import Cursors
    from chassis.paging import TokenSigner
    from services.friendship.friendships import Friendships
    from services.friendship.people import People
    from services.friendship.photos import Photos
    from services.friendship.watching import Watching

_Context = grpc.aio.ServicerContext[Any, Any]
_BOXES = {
    pb.REQUEST_BOX_RECEIVED: Box.RECEIVED,
    pb.REQUEST_BOX_SENT: Box.SENT,
    pb.REQUEST_BOX_IGNORED: Box.IGNORED,
}
_PHOTO_SIZES = {pb.PHOTO_SIZE_SMALL: PhotoSize.SMALL, pb.PHOTO_SIZE_LARGE: PhotoSize.LARGE}


def _deadline(context: _Context) -> float | None:
    """Return when the caller stops to wait, on the clock of `time.monotonic`."""
    # The stubs leave out that there may be none.
    remaining = cast("float | None", context.time_remaining())
    return None if remaining is None else time.monotonic() + remaining


class PeopleServicer(friendship_pb2_grpc.PeopleServiceServicer):
    """Serves the network."""

    def __init__(self, people: People, photos: Photos, signer: TokenSigner) -> None:
        self._people = people
        self._photos = photos
        self._signer = signer

    async def CreatePerson(
        self, request: pb.CreatePersonRequest, context: _Context
    ) -> pb.CreatePersonResponse:
        """Enter the caller into the network."""
        seen = await self._people.create(
            caller_id(), request.handle, request.display_name, request.headline
        )
        return pb.CreatePersonResponse(person=rendering.person(seen))

    async def GetPerson(
        self, request: pb.GetPersonRequest, context: _Context
    ) -> pb.GetPersonResponse:
        """Return a person."""
        if request.WhichOneof("key") == "handle":
            seen = await self._people.get_by_handle(caller_id(), request.handle)
        else:
            seen = await self._people.get(caller_id(), request.person_id)
        return pb.GetPersonResponse(person=rendering.person(seen))

    async def UpdatePerson(
        self, request: pb.UpdatePersonRequest, context: _Context
    ) -> pb.UpdatePersonResponse:
        """Change the caller's entry."""
        values = {field: getattr(request.person, field) for field in SETTABLE}
        seen = await self._people.update(
            caller_id(), request.person.person_id, values, request.update_mask.paths
        )
        return pb.UpdatePersonResponse(person=rendering.person(seen))

    async def SearchPeople(
        self, request: pb.SearchPeopleRequest, context: _Context
    ) -> pb.SearchPeopleResponse:
        """Find people."""
        pager = Pager(self._signer, caller_id(), request)
        start = pager.start()
        after = Hit(*start) if start else None
        found = await self._people.search(caller_id(), request.query, after, pager.size)
        end = [found.end.kind, found.end.term, found.end.person_id] if found.end else None
        return pb.SearchPeopleResponse(
            people=map(rendering.person, found.people), next_page_token=pager.next_token(end)
        )

    async def SetPhoto(
        self, request_iterator: AsyncIterator[pb.SetPhotoRequest], context: _Context
    ) -> pb.SetPhotoResponse:
        """Give the caller a photo."""
        header, chunks = await header_and_chunks(request_iterator)
        seen = await self._photos.set(caller_id(), header.content_type, header.size_bytes, chunks)
        return pb.SetPhotoResponse(person=rendering.person(seen))

    async def DeletePhoto(
        self, request: pb.DeletePhotoRequest, context: _Context
    ) -> pb.DeletePhotoResponse:
        """Take the caller's photo away."""
        seen = await self._photos.delete(caller_id())
        return pb.DeletePhotoResponse(person=rendering.person(seen))

    async def GetPhoto(self, request: pb.GetPhotoRequest, context: _Context) -> pb.GetPhotoResponse:
        """Return a photo."""
        content = await self._photos.get(request.photo_id, _PHOTO_SIZES[request.size])
        return pb.GetPhotoResponse(content=content, content_type=CONTENT_TYPE)


class FriendshipServicer(friendship_pb2_grpc.FriendshipServiceServicer):
    """Serves requests, friendships and blocks."""

    def __init__(
        self, friendships: Friendships, watching: Watching, signer: TokenSigner, cursors: Cursors
    ) -> None:
        self._friendships = friendships
        self._watching = watching
        self._signer = signer
        self._cursors = cursors

    async def SendFriendRequest(
        self, request: pb.SendFriendRequestRequest, context: _Context
    ) -> pb.SendFriendRequestResponse:
        """Ask a person to be friends."""
        seen = await self._friendships.send(
            caller_id(), request.person_id, request.note, _deadline(context)
        )
        return pb.SendFriendRequestResponse(friend_request=rendering.friend_request(seen))

    async def CancelFriendRequest(
        self, request: pb.CancelFriendRequestRequest, context: _Context
    ) -> pb.CancelFriendRequestResponse:
        """Take back a request."""
        seen = await self._friendships.cancel(caller_id(), request.request_id, _deadline(context))
        return pb.CancelFriendRequestResponse(friend_request=rendering.friend_request(seen))

    async def AcceptFriendRequest(
        self, request: pb.AcceptFriendRequestRequest, context: _Context
    ) -> pb.AcceptFriendRequestResponse:
        """Accept a request."""
        seen = await self._friendships.accept(caller_id(), request.request_id, _deadline(context))
        return pb.AcceptFriendRequestResponse(friend_request=rendering.friend_request(seen))

    async def IgnoreFriendRequest(
        self, request: pb.IgnoreFriendRequestRequest, context: _Context
    ) -> pb.IgnoreFriendRequestResponse:
        """Put a request out of sight."""
        seen = await self._friendships.ignore(caller_id(), request.request_id, _deadline(context))
        return pb.IgnoreFriendRequestResponse(friend_request=rendering.friend_request(seen))

    async def ListFriendRequests(
        self, request: pb.ListFriendRequestsRequest, context: _Context
    ) -> pb.ListFriendRequestsResponse:
        """List pending requests."""
        pager = Pager(self._signer, caller_id(), request)
        start = pager.start()
        before = (start[0], start[1]) if start else None
        page = await self._friendships.list_requests(
            caller_id(), _BOXES[request.box], before, pager.size
        )
        cursor = self._cursor(start, page.head)
        return pb.ListFriendRequestsResponse(
            friend_requests=map(rendering.friend_request, page.requests),
            next_page_token=pager.next_token([*page.end, cursor] if page.end else None),
            cursor=cursor,
        )

    async def ListFriends(
        self, request: pb.ListFriendsRequest, context: _Context
    ) -> pb.ListFriendsResponse:
        """List the caller's friends."""
        pager = Pager(self._signer, caller_id(), request)
        start = pager.start()
        page = await self._friendships.list_friends(
            caller_id(), start[0] if start else "", pager.size
        )
        cursor = self._cursor(start, page.head)
        return pb.ListFriendsResponse(
            friends=map(rendering.person, page.people),
            next_page_token=pager.next_token([page.end, cursor] if page.end else None),
            cursor=cursor,
        )

    async def RemoveFriend(
        self, request: pb.RemoveFriendRequest, context: _Context
    ) -> pb.RemoveFriendResponse:
        """End a friendship."""
        await self._friendships.remove(caller_id(), request.person_id, _deadline(context))
        return pb.RemoveFriendResponse()

    async def BlockPerson(
        self, request: pb.BlockPersonRequest, context: _Context
    ) -> pb.BlockPersonResponse:
        """Block a person."""
        await self._friendships.block(caller_id(), request.person_id, _deadline(context))
        return pb.BlockPersonResponse()

    async def UnblockPerson(
        self, request: pb.UnblockPersonRequest, context: _Context
    ) -> pb.UnblockPersonResponse:
        """End a block."""
        await self._friendships.unblock(caller_id(), request.person_id, _deadline(context))
        return pb.UnblockPersonResponse()

    async def ListBlockedPeople(
        self, request: pb.ListBlockedPeopleRequest, context: _Context
    ) -> pb.ListBlockedPeopleResponse:
        """List those whom the caller blocks."""
        pager = Pager(self._signer, caller_id(), request)
        start = pager.start()
        page = await self._friendships.list_blocked(
            caller_id(), start[0] if start else "", pager.size
        )
        return pb.ListBlockedPeopleResponse(
            people=map(rendering.person, page.people),
            next_page_token=pager.next_token([page.end] if page.end else None),
        )

    async def WatchFriendships(
        self, request: pb.WatchFriendshipsRequest, context: _Context
    ) -> AsyncIterator[pb.WatchFriendshipsResponse]:
        """Stream the caller's inbox."""
        async for seen, cursor in self._watching.watch(caller_id(), request.after_cursor):
            yield pb.WatchFriendshipsResponse(event=rendering.event(seen), cursor=cursor)

    def _cursor(self, start: list[Any] | None, head: int) -> str:
        """Return the cursor to watch from: the first page's, whatever page the caller is on."""
        return str(start[-1]) if start else self._cursors.at(caller_id(), head)


class ChannelAuthorizationServicer(authorization_pb2_grpc.ChannelAuthorizationServiceServicer):
    """Serves the messaging service."""

    def __init__(self, friendships: Friendships) -> None:
        self._friendships = friendships

    async def AuthorizeChannels(
        self, request: authorization_pb2.AuthorizeChannelsRequest, context: _Context
    ) -> authorization_pb2.AuthorizeChannelsResponse:
        """Say of each pair whether the two are friends."""
        wanted = [(pair.person_id, pair.other_person_id) for pair in request.pairs]
        grants = await self._friendships.authorize(wanted)
        return authorization_pb2.AuthorizeChannelsResponse(
            grants=[
                authorization_pb2.ChannelGrant(open=grant.open, epoch=grant.epoch)
                for grant in grants
            ]
        )
