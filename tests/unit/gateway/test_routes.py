"""Which methods the gateway finds in the contract."""

from chassis.interceptors import audience
from gateway.routes import find_routes, services_of
from paperplane.friendship.v1 import friendship_pb2
from paperplane.messaging.v1 import messaging_pb2
from paperplane.options.v1 import options_pb2

ROUTES = {route.path: route for route in find_routes()}


def test_every_method_for_people_has_a_route_and_no_other() -> None:
    for_people = {
        f"/{service.full_name}/{method.name}"
        for file in (friendship_pb2.DESCRIPTOR, messaging_pb2.DESCRIPTOR)
        for service in file.services_by_name.values()
        if audience(service) == options_pb2.AUDIENCE_USERS
        for method in service.methods
    }

    assert for_people <= ROUTES.keys()
    assert {audience(route.service) for route in ROUTES.values()} == {options_pb2.AUDIENCE_USERS}
    assert not [path for path in ROUTES if "Authorization" in path or "Intake" in path]


def test_a_route_knows_its_messages_and_its_service() -> None:
    route = ROUTES["/paperplane.friendship.v1.PeopleService/GetPerson"]

    assert route.request is friendship_pb2.GetPersonRequest
    assert route.response is friendship_pb2.GetPersonResponse
    assert (route.backend, route.name, route.server_streaming) == ("friendship", "GetPerson", False)
    assert route.safe
    assert route.intake is None


def test_a_route_knows_whether_it_changes_something_and_how_it_may_travel() -> None:
    route = ROUTES["/paperplane.messaging.v1.MessagingService/SendMessage"]

    assert not route.safe
    assert route.intake is not None
    assert route.intake.idempotency_field == "client_message_id"
    assert ROUTES["/paperplane.messaging.v1.MessagingService/WatchMessages"].server_streaming


def test_services_are_named_once() -> None:
    names = [service.full_name for service in services_of(list(ROUTES.values()))]

    assert len(names) == len(set(names))
