//! What the connector does with honest servers: one list of scenarios, run against every kind of server.

mod arrange;
mod connect;
mod flows;
mod get;
mod manage;
mod put;
mod refused;

use arrange::Stage;
use flow_tests::servers::{FtpServer, Kind};

/// Makes a test of each scenario for each kind of server.
macro_rules! on_every_server {
    ($($module:ident::$scenario:ident,)*) => {
        on_every_server! { @kind embedded Embedded [$($module::$scenario,)*] }
        on_every_server! { @kind vsftpd Vsftpd [$($module::$scenario,)*] }
        on_every_server! { @kind pure_ftpd PureFtpd [$($module::$scenario,)*] }
        on_every_server! { @kind proftpd Proftpd [$($module::$scenario,)*] }
        on_every_server! { @kind pyftpdlib Pyftpdlib [$($module::$scenario,)*] }
    };
    (@kind $name:ident $kind:ident [$($module:ident::$scenario:ident,)*]) => {
        mod $name {
            $(#[test]
            fn $scenario() {
                super::on(super::Kind::$kind, super::$module::$scenario);
            })*
        }
    };
}

on_every_server! {
    get::one_file_by_its_path,
    get::files_by_regular_expression,
    get::files_in_folders_by_regular_expression,
    get::files_by_glob,
    get::a_file_that_the_command_names,
    get::a_file_below_the_default_folder,
    get::files_with_odd_names,
    get::files_in_folders_with_odd_names,
    get::an_empty_file,
    get::every_byte,
    get::nothing_when_nothing_fits,
    get::two_thousand_files,
    get::under_names_that_the_flow_gives,
    put::a_new_file,
    put::onto_an_existing_file,
    put::into_new_folders,
    put::files_with_odd_names,
    put::an_empty_file,
    put::every_byte,
    put::under_the_original_path,
    put::as_private_files,
    put::appended,
    manage::rename_into_a_new_folder,
    manage::rename_onto_an_existing_file,
    manage::rename_as_people_write_it,
    manage::delete_the_original,
    manage::delete_a_named_file,
    manage::list_a_folder,
    manage::make_and_remove_folders,
    flows::pull_send_and_only_then_move,
    flows::copy_between_folders_and_recreate_a_tree,
    flows::copy_to_another_server_and_move,
    flows::one_sign_in_for_all_steps,
    connect::with_epsv,
    connect::with_pasv,
    connect::with_active_data_connections,
    connect::and_check_the_connection,
    refused::a_wrong_password,
    refused::a_missing_file,
    refused::a_missing_folder,
    refused::a_folder_without_permission,
    refused::a_rename_of_a_missing_file,
    refused::a_folder_that_is_not_empty,
}

/// Runs a scenario against a kind of server, and looks afterwards for what should not be left.
fn on(kind: Kind, scenario: fn(&Stage)) {
    let server = FtpServer::start(kind).expect("the server starts");
    let Some(server) = server else { return };
    let stage = Stage::new(server);
    scenario(&stage);
    stage.assert_nothing_left();
}
